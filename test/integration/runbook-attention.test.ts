// Causes of attention, each produced by a fault of a service, and the command of its entry in docs/runbook.md.
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { toFile } from '@anthropic-ai/sdk';
import { afterAll, beforeAll, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { openSession, sendMessage } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { FaultStatus } from '../../simulators/common/faults.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { TOOLHOST_PORT } from '../../toolhost/protocol.ts';
import type { Cause } from '../../workflows/attention.ts';
import type { SessionStatus } from '../../workflows/messages.ts';
import { type RunbookWorld, startRunbookWorld } from '../runbook-world.ts';
import { runCommand } from '../src/cli/command-line.ts';

vi.setConfig({ testTimeout: 330_000, hookTimeout: 150_000, maxConcurrency: 30 });

/** A turn that does not end by itself: its attention stays. */
const NEVER = { wait_for_file: '/nowhere/never' };
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

let world: RunbookWorld;
let gone: Server;
beforeAll(async () => {
  gone = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(410).end());
  });
  await new Promise<void>((resolve) => void gone.listen(0, '127.0.0.1', resolve));
  const { port } = gone.address() as { port: number };
  world = await startRunbookWorld(
    'attention',
    {
      claim: { queue: { maxClaimsPerMinute: 0 } },
      shared: { session: { routingScope: 'agent' } },
    },
    (dir) => ({
      HOOK_URL: `http://127.0.0.1:${port}/hook`,
      HOOK_SECRET: SECRET,
      OUTPUTS_TARGET: join(dir, 'outputs'),
    }),
  );
});
afterAll(async () => {
  await world?.close();
  gone?.close();
});

const refuse = (of: 'anthropic' | 'e2b', route: string, match: string, status = 400, more: object = {}) =>
  world.fault(of, { route, kind: 'status', status, match, ...more });
/** From then on no work is claimed: a poll that was under way before has ended, too. */
async function refusePolls(): Promise<void> {
  const id = world.environments.claim as string;
  await refuse('anthropic', 'work.poll', id);
  await until('a poll is refused', async () => {
    const { data } = (await world.admin('anthropic', 'GET', 'faults')) as { data: FaultStatus[] };
    return data.some(({ match, taken }) => match === id && taken > 0);
  });
}
/** The command of the entry runs once the session has this cause of attention. */
async function entry(anchor: Cause, ID: string): Promise<void> {
  let status: SessionStatus | null = null;
  await until(
    `${ID} has attention: ${anchor}`,
    async () => {
      status = await statusOf(world, ID).catch(() => null);
      return status?.attention.some(({ cause }) => cause === anchor);
    },
    270_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it has ${JSON.stringify(status)}`);
  });
  await world.entry(anchor, { ID });
}
const command = (...args: string[]) => runCommand(args, world.temporalOnly);
const terminate = (id: string) => world.admin('anthropic', 'POST', `sessions/${id}/terminate`);

it.concurrent('look', async () => {
  // With a work item the session would not have to be read.
  await refusePolls();
  const ID = await openSession(world, world.environments.claim);
  await refuse('anthropic', 'sessions.retrieve', ID);
  await sendMessage(world.anthropic, ID, script(NEVER));
  await entry('look', ID);
});

it.concurrent('watch', async () => {
  const ID = await openSession(world);
  for (const route of ['events.list', 'events.stream']) await refuse('anthropic', route, ID);
  await sendMessage(world.anthropic, ID, script(NEVER));
  await entry('watch', ID);
});

it.concurrent('claim', async () => {
  await refusePolls();
  const ID = await world.open(script(NEVER), world.environments.claim);
  await entry('claim', ID);
});

it.concurrent('check and hook', async () => {
  const ID = await world.open(script({ ...bash('rm -rf build'), permission: 'ask' }));
  await until('it waits for a person', async () => {
    const status = await statusOf(world, ID).catch(() => null);
    return status?.openCalls.some(({ state }) => state === 'waiting for approval');
  });
  await entry('hook', ID);
  await refuse('anthropic', 'events.list', ID);
  await entry('check', ID);
});

it.concurrent('memory', async () => {
  const store = await world.anthropic.beta.memoryStores.create({ name: 'notes' } as never);
  await refuse('anthropic', 'memories.list', store.id, 404);
  const { agentId, environmentId } = world.simulators.anthropic;
  const { id: ID } = await world.anthropic.beta.sessions.create({
    agent: agentId,
    environment_id: environmentId,
    resources: [{ type: 'memory_store', memory_store_id: store.id, access: 'read_write' }],
  });
  await sendMessage(world.anthropic, ID, script([bash('true')], NEVER));
  await entry('memory', ID);
});

it.concurrent('skills', async () => {
  const text = '---\nname: adder\ndescription: Adds up numbers.\n---\nUse awk.\n';
  const files = [await toFile(Buffer.from(text), 'adder/SKILL.md')];
  const skill = await world.anthropic.beta.skills.create({ files });
  await refuse('anthropic', 'skills.versions.download', skill.id);
  const agent = await world.anthropic.beta.agents.create({
    name: 'adds',
    model: 'claude-sonnet-5',
    tools: [{ type: 'agent_toolset_20260401' }],
    skills: [{ type: 'custom', skill_id: skill.id }],
  });
  const { id: ID } = await world.anthropic.beta.sessions.create({
    agent: agent.id,
    environment_id: world.simulators.anthropic.environmentId,
  });
  await sendMessage(world.anthropic, ID, script([bash('true')], NEVER));
  await entry('skills', ID);
});

it.concurrent('run', async () => {
  const ID = await world.open(script([bash('sleep 3')], [bash('true')], NEVER));
  const { sandboxId } = await world.running(ID);
  await refuse('e2b', 'port', `${sandboxId} ${TOOLHOST_PORT} /calls/`);
  await entry('run', ID);
});

it.concurrent('cancel', async () => {
  // Cancelling is tried for two minutes, which is also a command's usual time limit.
  const long = { ...bash('sleep 300'), input: { command: 'sleep 300', timeout_ms: 600_000 } };
  const ID = await world.open(script([long]));
  const { callId } = await world.running(ID);
  await refuse('e2b', 'port', `${callId}/cancel`, 503);
  await world.anthropic.beta.sessions.events.send(ID, { events: [{ type: 'user.interrupt' }] });
  await entry('cancel', ID);
});

it.concurrent.each<[Cause, number]>([
  ['post', 403],
  ['result', 400],
])('%s', async (anchor, status) => {
  const ID = await world.open(script([bash('sleep 3')], NEVER));
  await world.running(ID);
  await refuse('anthropic', 'events.send', ID, status);
  // ['post', 'result']
  await entry(anchor, ID);
});

it.concurrent('interrupt', async () => {
  const ID = await world.open(script([bash('sleep 300')]));
  await world.running(ID);
  await refuse('anthropic', 'events.send', ID);
  await command('sessions', 'interrupt', ID);
  await entry('interrupt', ID);
});

it.concurrent('rest', async () => {
  const ID = await world.open(script([bash('sleep 3')]));
  await refuse('e2b', 'sandbox.pause', (await world.running(ID)).sandboxId, 401);
  await entry('rest', ID);
});

it.concurrent('pause', async () => {
  const ID = await world.open(script([bash('sleep 3')], [{ ...bash('rm -rf build'), permission: 'ask' }]));
  await refuse('e2b', 'sandbox.pause', (await world.running(ID)).sandboxId, 401);
  await entry('pause', ID);
});

it.concurrent('stop', async () => {
  const ID = await world.open(script([bash('sleep 300')]));
  await refuse('anthropic', 'work.stop', (await world.running(ID)).workId);
  await terminate(ID);
  await entry('stop', ID);
});

it.concurrent('kill', async () => {
  const ID = await world.open(script([bash('sleep 300')]));
  await refuse('e2b', 'sandbox.kill', (await world.running(ID)).sandboxId, 401);
  await terminate(ID);
  await entry('kill', ID);
});

it.concurrent('outputs', async () => {
  const ID = await world.open(
    script([bash('mkdir -p outputs; echo 1 > outputs/a; sleep 1')], [bash('sleep 300')]),
  );
  await until(
    'the first call is done',
    async () => ((await statusOf(world, ID).catch(() => null))?.callsDone ?? 0) > 0,
  );
  await refuse('e2b', 'port', 'outputs/file', 404);
  await terminate(ID);
  await entry('outputs', ID);
});

it.concurrent('messages', async () => {
  const ID = await world.open(script([bash('sleep 300')]));
  await world.running(ID);
  await workflowOf(world, ID).signal('webhookReceived', { malformed: true });
  await entry('messages', ID);
});

it.concurrent('dismiss', async () => {
  const [one, two] = [
    await world.open(script([bash('sleep 300')]), world.environments.shared),
    await world.open(script([bash('sleep 300')]), world.environments.shared),
  ] as const;
  await Promise.all([world.running(one), world.running(two)]);
  await refuse('e2b', 'port', 'sessions/');
  await terminate(one);
  const SHARED = await until('its sandbox is shared', async () => (await statusOf(world, two)).sharedBy);
  await world.entry('dismiss', { SHARED });
});

// Last: from here on no sandbox can be created.
it('prepare', async () => {
  await world.fault('e2b', { route: 'sandbox.create', kind: 'status', status: 401 });
  const ID = await world.open(script([bash('true')]));
  await entry('prepare', ID);
});
