import { beforeEach, expect, it } from 'vitest';
import { BoundedMap } from '../../src/webhook/bounded-map.ts';
import { signalRunningFirst } from '../../src/webhook/running-first.ts';

const RUN_STARTED = { eventId: 'whe_1', type: 'session.status_run_started' };

/** Sessions whose workflow runs. */
const running = new Set<string>();
let sent: string[] = [];
const sessions = {
  webhookReceived: async (id: string) => {
    sent.push(`start ${id}`);
    running.add(id);
  },
  webhookReceivedIfRunning: async (id: string) => {
    sent.push(`signal ${id}`);
    return running.has(id);
  },
};
beforeEach(() => {
  running.clear();
  sent = [];
});

it('starts the workflow with the first delivery of a session, and signals it with the next', async () => {
  const received = signalRunningFirst(sessions);
  for (const id of ['a', 'b', 'a']) await received(id, RUN_STARTED);
  expect(sent).toEqual(['start a', 'start b', 'signal a']);
});

it('starts the workflow again where it has ended, with the same delivery', async () => {
  const received = signalRunningFirst(sessions);
  await received('a', RUN_STARTED);
  running.delete('a');
  await received('a', RUN_STARTED);
  expect(sent).toEqual(['start a', 'signal a', 'start a']);
});

it('fails where Temporal does not take the signal, and starts nothing beside', async () => {
  const refusing = {
    ...sessions,
    webhookReceivedIfRunning: () => Promise.reject(new Error('14 UNAVAILABLE')),
  };
  const received = signalRunningFirst(refusing);
  await received('a', RUN_STARTED);
  await expect(received('a', RUN_STARTED)).rejects.toThrow('14 UNAVAILABLE');
  expect(sent).toEqual(['start a']);
});

it('takes no workflow for running whose start has failed', async () => {
  const refusing = { ...sessions, webhookReceived: () => Promise.reject(new Error('14 UNAVAILABLE')) };
  const received = signalRunningFirst(refusing);
  for (const _attempt of [1, 2]) await expect(received('a', RUN_STARTED)).rejects.toThrow('14 UNAVAILABLE');
  expect(sent).toEqual([]);
});

it('remembers the sessions of the latest deliveries only', async () => {
  const received = signalRunningFirst(sessions, new BoundedMap(1));
  for (const id of ['a', 'b', 'a']) await received(id, RUN_STARTED);
  expect(sent).toEqual(['start a', 'start b', 'start a']);
});
