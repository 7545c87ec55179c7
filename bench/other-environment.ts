// Measures webhooks for sessions of another environment: a workspace sends its webhooks to every endpoint.

import { forEachConcurrently } from '../activities/for-each-concurrently.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { sessionWorkflowId } from '../workflows/messages.ts';
import { deliver } from './deliver.ts';

export interface OtherEnvironmentTimes {
  /** Milliseconds from sending a delivery to its answer. */
  deliveryMs: number[];
  /** Milliseconds from the first delivery until the last workflow had ended, per delivery. */
  eachMs: number;
  /** Events of the longest sampled workflow history. */
  events: number;
}

/** Number of sampled histories. */
const SAMPLE = 50;
const EACH_WITHIN_MS = 200;

/**
 * Delivers one webhook for each of `count` sessions of an environment that the router does not serve.
 * @throws if a delivery is refused, a workflow does not end, or a sandbox is created
 */
export async function deliverForOtherEnvironment(
  world: World,
  count: number,
): Promise<OtherEnvironmentTimes> {
  const sessions = await createSessions(world, count);
  const sandboxes = async () => (await world.Sandbox.list().nextItems()).length;
  const before = await sandboxes();
  const deliveryMs: number[] = [];
  const begunAt = performance.now();
  await forEachConcurrently(sessions, async (sessionId) => {
    const sentAt = performance.now();
    await deliver(world, sessionId, `whe_bench_${sessionId}`);
    deliveryMs.push(performance.now() - sentAt);
  });
  const { workflow } = world.temporal.client;
  const open = sessions.slice();
  const ended = async () => {
    for (let id = open.at(-1); id; id = open.at(-1)) {
      if ((await workflow.getHandle(sessionWorkflowId(id)).describe()).status.name === 'RUNNING')
        return false;
      open.pop();
    }
    return true;
  };
  await until('all their workflows have ended', ended, 30_000 + count * EACH_WITHIN_MS);
  const eachMs = (performance.now() - begunAt) / count;
  if ((await sandboxes()) > before) throw new Error('a session of another environment got a sandbox');
  const lengths: number[] = [];
  for (const id of sessions.slice(0, SAMPLE)) {
    const { result, historyLength } = await endOf(world, id);
    if (result !== 'session of another environment')
      throw new Error(`${id} ended with an unexpected result: ${result}`);
    lengths.push(historyLength);
  }
  return { deliveryMs, eachMs, events: Math.max(...lengths) };
}

/** Creates sessions in another environment. The simulator's own webhooks for them are dropped. */
async function createSessions(world: World, count: number): Promise<string[]> {
  const { environments, sessions } = world.anthropic.beta;
  const { id: environment_id } = await environments.create({
    name: 'not ours',
    config: { type: 'self_hosted' },
  });
  const agent = world.simulators.anthropic.agentId;
  const lost = { route: 'webhook.deliver', kind: 'lost' };
  const { id: fault } = (await world.admin('anthropic', 'POST', 'faults', lost)) as { id: string };
  const ids: string[] = [];
  await forEachConcurrently(Array(count).fill(null), async () => {
    ids.push((await sessions.create({ agent, environment_id })).id);
  });
  await world.admin('anthropic', 'DELETE', `faults/${fault}`);
  return ids;
}

async function endOf(world: World, sessionId: string): Promise<{ result: unknown; historyLength: number }> {
  const handle = world.temporal.client.workflow.getHandle(sessionWorkflowId(sessionId));
  const { historyLength } = await handle.describe();
  return { result: await handle.result(), historyLength };
}
