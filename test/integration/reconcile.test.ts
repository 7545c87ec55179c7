// The reconcile on a real Temporal server, with every part as a process of its own and without webhooks.
import Anthropic from '@anthropic-ai/sdk';
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

let world: World;
beforeAll(async () => {
  world = await startTestWorld({
    graceSeconds: 1,
    switches: ['work-item-at=message'],
    settings: async () => ({ RECONCILE_SECONDS: '2' }),
  });
  await world.admin('anthropic', 'POST', 'faults', { route: 'webhook.deliver', kind: 'lost' });
});
afterAll(() => world?.close());

const sandboxesOf = (session: string) =>
  world.Sandbox.list({ query: { metadata: { session }, state: ['running', 'paused'] } }).nextItems();

it('takes over an item that another worker acknowledged and left, whose session has no workflow', async () => {
  // Another worker claims the item before ours does, and dies at once.
  for (const worker of world.workers) await worker.kill();
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('echo ran >> count; cat count'));
  const { environmentId, environmentKey, url } = world.simulators.anthropic;
  const other = new Anthropic({ authToken: environmentKey, apiKey: null, baseURL: url }).beta.environments
    .work;
  const item = await other.poll(environmentId, {});
  expect(item?.data.id).toBe(sessionId);
  await other.ack(item?.id ?? '', { environment_id: environmentId });
  await expect(workflowOf(world, sessionId).describe()).rejects.toThrow(WorkflowNotFoundError);
  await world.addWorker();
  const answer = await until(
    'the turn has ended',
    async () => {
      const events = await eventsOf(world.anthropic, sessionId);
      if (!events.some((event) => event.type === 'session.status_idle' && isEnd(event))) return null;
      return events.findLast((event) => event.type === 'agent.message');
    },
    90_000,
  );
  expect(answer).toMatchObject({ content: [{ text: expect.stringMatching(/^ran\s*$/) }] });
  expect(await sandboxesOf(sessionId)).toHaveLength(1);
});

it.each(['archive', 'delete'] as const)(
  'ends a session after its %s although the webhook was lost',
  async (end) => {
    const sessionId = await openSession(world);
    await takeTurn(world.anthropic, sessionId, commands('echo here'));
    await until('the session rests', async () => (await sandboxesOf(sessionId))[0]?.state === 'paused');
    const workflow = workflowOf(world, sessionId);
    await world.anthropic.beta.sessions[end](sessionId);
    await until(
      'its workflow has ended',
      async () => (await workflow.describe()).status.name === 'COMPLETED',
    );
    expect(await workflow.result()).toBe(end === 'archive' ? 'archived' : 'deleted');
    expect(await sandboxesOf(sessionId)).toEqual([]);
  },
);

function isEnd(event: { type: string; stop_reason?: { type: string } }): boolean {
  return event.stop_reason?.type === 'end_turn';
}
