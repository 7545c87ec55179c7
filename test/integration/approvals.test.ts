// Approvals on the command line, and the hook that announces them: with the router, the simulators and the owner's server
// as processes or servers of their own.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf } from '../../harness/session-workflow.ts';
import { eventsOf, openSession, sendMessage } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 120_000 });

const SECRET = `whsec_${Buffer.from('the secret of the owner').toString('base64')}`;
interface Delivery {
  id: string;
  type: string;
  data: { session_id: string; calls: { id: string; preview: string }[] };
}

let world: World;
let hook: Server;
/** What the hook got and could verify. */
const deliveries: Delivery[] = [];
/** Answered with 503 before the first one is taken. */
let refusals = 1;
let env: Record<string, string>;
beforeAll(async () => {
  hook = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = request.headers as Record<string, string>;
    const body = new Webhook(SECRET).verify(Buffer.concat(chunks), headers) as Delivery;
    if (refusals-- > 0) return void response.writeHead(503, { 'retry-after': '1' }).end();
    deliveries.push({ ...body, id: headers['webhook-id'] ?? '' });
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const settings = { HOOK_URL: url, HOOK_SECRET: SECRET };
  world = await startTestWorld({ graceSeconds: 1, settings: async () => settings });
  const { url: baseUrl, apiKey } = world.simulators.anthropic;
  env = {
    TEMPORAL_ADDRESS: world.temporal.connection.options.address as string,
    ANTHROPIC_BASE_URL: baseUrl,
    ANTHROPIC_API_KEY: apiKey,
    ...settings,
  };
});
afterAll(async () => {
  await world?.close();
  hook?.closeAllConnections();
  hook?.close();
});

const approvals = (...args: string[]) => runCommand(['approvals', ...args], env);
const listed = async (sessionId: string) => {
  const { code, stdout, stderr } = await runCommand(['--json', 'approvals', 'list'], env);
  expect([code, stderr]).toEqual([0, '']);
  const { calls } = JSON.parse(stdout) as { calls: { sessionId: string; callId: string }[] };
  return calls.filter((call) => call.sessionId === sessionId);
};
/** A session with a call for each command, which wait for approval. */
async function ask(...texts: string[]): Promise<string> {
  const sessionId = await openSession(world);
  const calls = texts.map((text) => bash(text, { permission: 'ask' }));
  await sendMessage(world.anthropic, sessionId, script(calls));
  await until('all calls wait', async () => (await listed(sessionId)).length === texts.length, 60_000);
  return sessionId;
}
const endOfTurn = (sessionId: string) =>
  until(
    'the turn ends',
    async () => {
      const events = await eventsOf(world.anthropic, sessionId);
      const last = events.findLast((event) => event.type === 'session.status_idle');
      return last?.type === 'session.status_idle' && last.stop_reason.type === 'end_turn' && events;
    },
    60_000,
  );

it('a call is announced, listed and allowed without a worker, and runs once there is one again', async () => {
  const sessionId = await ask('echo allowed > allowed.txt');
  const [{ callId } = { callId: '' }] = await listed(sessionId);
  const mine = () => deliveries.filter(({ data }) => data.session_id === sessionId);
  await until('the hook took it at the second attempt', async () => mine().length > 0);
  expect(mine()).toMatchObject([
    {
      id: `${sessionId}-approval-${callId}`,
      type: 'session.approval_required',
      data: { calls: [{ id: callId, preview: 'echo allowed > allowed.txt' }] },
    },
  ]);
  for (const worker of world.workers) await worker.kill();
  expect(await listed(sessionId)).toMatchObject([
    { callId, name: 'bash', preview: 'echo allowed > allowed.txt', environmentId: expect.any(String) },
  ]);
  const { stdout: list } = await approvals('list');
  for (const needed of [sessionId, callId, 'bash: echo allowed > allowed.txt'])
    expect(list).toContain(needed);
  expect(Math.max(...list.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);

  const allowed = await approvals('allow', sessionId);
  expect(allowed).toEqual({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/^Now allowed: bash: echo allowed/),
  });
  const again = await approvals('allow', sessionId, '--call', callId);
  expect(again).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^Already allowed: bash/) });
  const late = await approvals('deny', sessionId, '--call', callId);
  expect(late).toEqual({ code: 4, stdout: '', stderr: expect.stringContaining('it was allowed meanwhile') });
  const none = await approvals('allow', sessionId);
  expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining('waits for an approval') });

  await world.addWorker();
  const events = await endOfTurn(sessionId);
  const results = events.filter((event) => event.type === 'user.tool_result' && event.processed_at);
  expect(results).toMatchObject([{ tool_use_id: callId, is_error: false }]);
  expect(await listed(sessionId)).toEqual([]);
});

it('several calls are named, denied together with a reason that the model reads, and never run', async () => {
  const sessionId = await ask('rm -r build', 'rm -r dist');
  const [first, second] = await listed(sessionId);
  const unclear = await approvals('deny', sessionId);
  expect(unclear).toMatchObject({ code: 2, stdout: '' });
  for (const call of [first, second]) expect(unclear.stderr).toContain(call?.callId);
  const denied = await approvals('deny', sessionId, '--all', '--reason', 'Not on a Friday.');
  expect(denied).toMatchObject({ code: 0, stdout: expect.stringMatching(/rm -r dist.*\n.*rm -r build/) });
  const events = await endOfTurn(sessionId);
  const reasons = events.flatMap((event) =>
    event.type === 'user.tool_confirmation' && event.processed_at ? [event.deny_message] : [],
  );
  expect(new Set(reasons)).toEqual(new Set(['Not on a Friday.']));
  await until('the router knows it', async () => (await statusOf(world, sessionId)).openCalls.length === 0);
  const allowed = await approvals('allow', sessionId, '--call', first?.callId ?? '');
  expect(allowed).toMatchObject({ code: 4, stderr: expect.stringContaining('it was denied meanwhile') });
});

it.each([
  ['an unknown session', ['allow', 'sesn_unknown'], 3, 'no session sesn_unknown'],
  ['no id', ['allow', "x' OR 1"], 2, 'Give the id of a session'],
  ['an empty reason', ['deny', 'sesn_1', '--reason', ' '], 2, 'Give a reason'],
])('refuses %s', async (_what, args, code, text) => {
  expect(await approvals(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) });
});

it('says in plain words that it needs the key of the organisation, and takes no other', async () => {
  const without = Object.fromEntries(Object.entries(env).filter(([name]) => name !== 'ANTHROPIC_API_KEY'));
  const missing = await runCommand(['approvals', 'allow', 'sesn_1'], without);
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('documented nowhere') });
  const sessionId = await ask('echo asked');
  const [{ callId } = { callId: '' }] = await listed(sessionId);
  const { environmentKey } = world.simulators.anthropic;
  const wrong = await runCommand(['approvals', 'allow', sessionId], {
    ...without,
    ANTHROPIC_API_KEY: environmentKey,
  });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).not.toContain(environmentKey);
  const unknown = await approvals('allow', sessionId, '--call', 'sevt_unknown');
  expect(unknown).toMatchObject({ code: 3, stderr: expect.stringContaining('no call sevt_unknown') });
  // An interrupt closes the call: nothing is left to decide.
  await world.anthropic.beta.sessions.events.send(sessionId, { events: [{ type: 'user.interrupt' }] });
  await endOfTurn(sessionId);
  const closed = await approvals('allow', sessionId, '--call', callId);
  expect(closed).toMatchObject({ code: 4, stderr: expect.stringContaining('it no longer waits') });
});

it('hooks test sends a message that verifies, and says what is wrong', async () => {
  const sent = await runCommand(['--json', 'hooks', 'test'], env);
  expect(sent.code).toBe(0);
  const { id } = JSON.parse(sent.stdout) as { id: string };
  expect(deliveries.find((delivery) => delivery.id === id)).toMatchObject({ type: 'hook.test', data: {} });
  const away = await runCommand(['hooks', 'test'], { ...env, HOOK_URL: 'http://127.0.0.1:1/?token=x' });
  expect(away).toMatchObject({ code: 5, stderr: expect.stringContaining('HOOK_URL cannot be reached') });
  expect(away.stderr).not.toContain('token');
  const none = await runCommand(['hooks', 'test'], {});
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('No hook is configured') });
});
