// What the log says while Temporal is away.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { TemporalOutage } from '../../src/temporal-outage.ts';
import { recordedLog } from './recorded-log.ts';

it('one line when Temporal stops answering, one when it answers again, however many calls fail', async () => {
  const { log, lines } = recordedLog();
  let answers: (value: unknown) => void = () => undefined;
  const answered = new Promise((resolve) => {
    answers = resolve;
  });
  const outage = new TemporalOutage(log, () => answered);
  for (let call = 0; call < 100; call++) outage.report('connection refused');
  expect(lines()).toMatchObject([{ level: 40, reason: 'connection refused' }]);
  answers(true);
  await expect.poll(() => lines().length).toBe(2);
  // The core reports late what failed before.
  outage.report('connection refused');
  expect(lines().slice(1)).toMatchObject([{ level: 30, msg: 'Temporal answers again' }]);
});

it('asks again until Temporal answers, and no longer once the process stops', async () => {
  const { log, lines } = recordedLog();
  let probes = 0;
  const outage = new TemporalOutage(log, async () => {
    probes += 1;
    if (probes < 3) throw new Error('refused');
  });
  outage.report('refused');
  await expect.poll(() => lines().length).toBe(2);
  expect(probes).toBe(3);

  const stopped = new TemporalOutage(log, async () => {
    probes += 1;
    throw new Error('refused');
  });
  stopped.report('refused');
  stopped.stop();
  const before = probes;
  await sleep(1_500);
  expect(probes).toBe(before);
});
