// Updates of sessions whose history is long: each is answered, done once, and known to the next run.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import type { UpdateAnswer } from '../../../workflows/updates.ts';
import { type Session, type SessionWorld, startSessionWorld } from '../session-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const latest = ({ handle }: Session) => world.client.workflow.getHandle(handle.workflowId);
const runOf = async (session: Session) => (await latest(session).describe()).runId;
async function ask(session: Session, name: string, updateId: string): Promise<UpdateAnswer> {
  const args: [object] = [{ by: 'anna@desk' }];
  return latest(session).executeUpdate<UpdateAnswer, [object]>(name, { args, updateId });
}

it('answers each of many updates, also those that arrive while the run is renewed', async () => {
  const session = world.session({}, { graceMs: 10 });
  await session.webhookReceived();
  await session.untilCalled('inspectSession');
  const first = await runOf(session);
  const runs = new Set([first]);
  for (let round = 0; round < 20; round += 1) {
    const names = ['pause', 'interrupt', 'resume', 'interrupt', 'pause', 'resume'];
    const asked = names.map((name, index) => ask(session, name, `${round}-${index}`));
    for (const { outcome } of await Promise.all(asked)) expect(outcome).toMatch(/^(done|already|failed)$/);
    runs.add(await runOf(session));
  }
  // At rest a run ends after 200 events: several did.
  expect(runs.size).toBeGreaterThan(2);
});

it('answers a repeated update like the first time, and does nothing again, within a run and in the next', async () => {
  const session = world.session({}, { graceMs: 10 });
  await session.webhookReceived();
  await session.untilCalled('inspectSession');
  const first = await runOf(session);
  const interrupted = await ask(session, 'interrupt', 'interrupt-1');
  expect(interrupted.outcome).toBe('done');
  expect(await ask(session, 'interrupt', 'interrupt-1')).toEqual(interrupted);
  const paused = await ask(session, 'pause', 'pause-1');
  await ask(session, 'resume', 'resume-1');
  await until('the next run has begun', async () => {
    await session.webhookReceived();
    return (await runOf(session)) !== first;
  });
  expect(await ask(session, 'interrupt', 'interrupt-1')).toEqual(interrupted);
  expect(session.argsOf('interruptSession')).toHaveLength(1);
  // Done and undone since: a person who repeats it pauses nothing.
  expect(await ask(session, 'pause', 'pause-1')).toEqual(paused);
  expect((await latest(session).query<{ phase: string }>('status')).phase).not.toBe('paused by a person');
});
