// Several environments in one router, as processes: each has its own workflow and settings; sessions of environments that
// are not served are ignored.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findSecret, findSecrets, historyText } from '../../harness/secrets.ts';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { environmentWorkflowId } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';

let world: World;
let dir: string;
/** The router serves the first environment and `b`, but not `stranger`. */
let b: string;
let stranger: string;
let keyOfB: string;
/** Creates a session in `b`. */
let second: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'environments-'));
  world = await startTestWorld({
    graceSeconds: 600,
    settings: async ({ anthropic }, admin) => {
      const client = new Anthropic({ apiKey: anthropic.apiKey, baseURL: anthropic.url });
      const create = async (name: string) =>
        (await client.beta.environments.create({ name, config: { type: 'self_hosted' } })).id;
      [b, stranger] = [await create('b'), await create('stranger')];
      ({ key: keyOfB } = (await admin('anthropic', 'POST', `environments/${b}/keys`)) as { key: string });
      const file = join(dir, 'managed-agents-router.json');
      const first = { id: anthropic.environmentId, key: '${env:ANTHROPIC_ENVIRONMENT_KEY}' };
      const ofB = { id: b, key: '${env:KEY_OF_B}', session: { graceSeconds: 0 } };
      await writeFile(file, JSON.stringify({ environments: [first, ofB] }));
      // An empty variable counts as not set, so the file lists the environments.
      return { ROUTER_CONFIG_FILE: file, ANTHROPIC_ENVIRONMENT_ID: '', KEY_OF_B: keyOfB };
    },
  });
});
afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true });
});

it('starts a workflow for each environment', async () => {
  for (const id of [world.simulators.anthropic.environmentId, b]) {
    const { status } = await world.temporal.client.workflow.getHandle(environmentWorkflowId(id)).describe();
    expect(status.name).toBe('RUNNING');
  }
});

it('serves sessions of both environments, each with the grace of its environment', async () => {
  const first = await openSession(world);
  second = await openSession(world, b);
  const turns = await Promise.all([
    takeTurn(world.anthropic, first, commands('echo in the first')),
    takeTurn(world.anthropic, second, commands('echo in the second')),
  ]);
  expect(turns.map(({ answer }) => answer.trim())).toEqual(['in the first', 'in the second']);
  await until('the sandbox without grace is paused', async () => {
    const { phase } = await statusOf(world, second);
    return phase === 'paused';
  });
  expect((await statusOf(world, first)).phase).toBe('idle');
});

it('keeps the keys that the file refers to out of histories, logs and sandboxes', async () => {
  const { searched, findings } = await findSecrets(world);
  expect(searched).not.toContain('0 histories');
  expect(findings).toEqual([]);
  const history = await workflowOf(world, second).fetchHistory();
  // Proves that the decoded text is searched: it contains the session's command.
  expect(historyText(history)).toContain('echo in the second');
  expect(findSecret(historyText(history), [keyOfB])).toBeNull();
});

it('ignores a session of another environment: inspects it once and creates no sandbox', async () => {
  const before = await sandboxes();
  const sessionId = await openSession(world, stranger);
  await sendMessage(world.anthropic, sessionId, commands('echo nobody runs this'));
  const handle = workflowOf(world, sessionId);
  await until('the stranger is known as one', async () => {
    const { status } = await handle.describe().catch(() => ({ status: { name: 'none' } }));
    return status.name === 'COMPLETED';
  });
  expect(await handle.result()).toBe('session of another environment');
  const { events } = await handle.fetchHistory();
  const activities = (events ?? []).flatMap(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? [],
  );
  expect(activities).toEqual(['findSession']);
  expect(events?.length).toBeLessThan(25);
  expect(await sandboxes()).toBe(before);
});

async function sandboxes(): Promise<number> {
  return (await world.Sandbox.list().nextItems()).length;
}
