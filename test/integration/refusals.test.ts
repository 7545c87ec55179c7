// The service refuses results or leaves calls open, with every part as a process of its own: every turn ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { statusOf } from '../../harness/session-workflow.ts';
import { eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { agentMessages, bash, script, turnEnded } from '../../simulators/test/managed-agents.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 90_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 1 });
});
afterAll(() => world?.close());
afterEach(() => world.admin('anthropic', 'DELETE', 'faults'));

const refuse = (match: string) =>
  world.admin('anthropic', 'POST', 'faults', { route: 'events.send', kind: 'status', status: 400, match });
const results = async (id: string) =>
  (await eventsOf(world.anthropic, id)).filter(({ type }) => type === 'user.tool_result');

it('a turn continues after one of its results is refused for good, and no work item is left', async () => {
  await refuse('unpostable');
  const id = await openSession(world);
  const { answer } = await takeTurn(
    world.anthropic,
    id,
    script([bash("printf 'un%s' postable")], [bash('echo on')]),
  );
  expect(answer).toContain('on');
  expect(JSON.stringify((await results(id))[0])).toContain('its output was refused');
  expect((await statusOf(world, id)).attention).toEqual([]);
});

it('a turn ends although the service accepts no result of one of its calls', async () => {
  const id = await openSession(world);
  await sendMessage(world.anthropic, id, script([bash('sleep 3; echo slow')], [bash('echo never')]));
  const events = () => eventsOf(world.anthropic, id);
  const call = await until('the call is announced', async () =>
    (await events()).find(({ type }) => type === 'agent.tool_use'),
  );
  await refuse(call.id);
  await until('the turn ends', async () => (await events()).some(turnEnded), 60_000);
  expect(await results(id)).toEqual([]);
  await world.admin('anthropic', 'DELETE', 'faults');
  const { answer } = await takeTurn(world.anthropic, id, script([bash('echo next')]));
  expect(answer).toContain('next');
});

it('a workflow run continues after an interrupt, and its calls are answered', async () => {
  const id = await openSession(world);
  const threads = [{ name: 'a', steps: [bash('sleep 2; echo run >> runs; cat runs')] }];
  await sendMessage(world.anthropic, id, script({ threads, workflow_run: true }));
  const events = () => eventsOf(world.anthropic, id);
  await until('the call is announced', async () =>
    (await events()).some(({ type }) => type === 'agent.tool_use'),
  );
  await sleep(500);
  await world.anthropic.beta.sessions.events.send(id, { events: [{ type: 'user.interrupt' }] });
  await until('the turn ends', async () => (await events()).some(turnEnded));
  const answers = await results(id);
  expect(answers).toHaveLength(1);
  expect(JSON.stringify(answers[0])).toContain('"text":"run"');
  expect(agentMessages(await events())).toEqual([]);
});

it("is counted by the queue's own liveness check", async () => {
  const { environmentId } = world.simulators.anthropic;
  const stats = await world.anthropic.beta.environments.work.stats(environmentId);
  expect(stats.workers_polling).toBeGreaterThan(0);
  expect(stats.workers_polling).toBeLessThanOrEqual(world.workers.length);
});
