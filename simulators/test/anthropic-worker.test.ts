import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentWorker } from '@anthropic-ai/sdk/lib/environments/worker';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bringAdder } from './adder-skill.ts';
import {
  agentMessages,
  bash,
  clientOf,
  type Fixture,
  message,
  script,
  startFixture,
  turnEnded,
} from './managed-agents.ts';

let fixture: Fixture;
let workdir: string;
let stop: AbortController;
let running: Promise<void> | undefined;
beforeEach(async () => {
  fixture = await startFixture();
  workdir = await mkdtemp(join(tmpdir(), 'managed-agents-worker-'));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running?.catch(() => undefined);
  running = undefined;
  await fixture.close();
  await rm(workdir, { recursive: true, force: true });
});

/** The SDK's own worker with its own poller. */
function startWorker(): void {
  running = workerWith(100).run();
}

function workerWith(maxIdleMs: number): EnvironmentWorker {
  return new EnvironmentWorker({
    client: clientOf(fixture.url, 'unused'),
    environmentId: fixture.environmentId,
    environmentKey: fixture.environmentKey,
    workdir,
    maxIdleMs,
    signal: stop.signal,
  });
}

const items = async () => (await fixture.environment.beta.environments.work.list(fixture.environmentId)).data;

describe.each([
  { 'tool-rounds': 'idle' },
  { 'tool-rounds': 'running' },
  { 'work-item-at': 'tool' },
  { 'work-secret': 'off', 'reoffer-id': 'new', 'ack-twice': '409' },
])("the SDK's worker with %j", (switches) => {
  test('serves a turn and the next one', async () => {
    await fixture.set(switches as Record<string, string>);
    startWorker();
    const session = await fixture.startSession(
      script(
        [bash('echo one > file; pwd'), { name: 'write', input: { file_path: 'second', content: 'two' } }],
        [bash('cat file second')],
      ),
    );
    expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['one\ntwo']);
    expect(await readFile(join(workdir, 'file'), 'utf8')).toBe('one\n');
    await expect.poll(async () => (await items()).map((item) => item.state)).toEqual(['stopped']);

    await fixture.send(session, message('Use bash to cat file; exit 3.'));
    const isSecondEnd = async () => (await fixture.organization.beta.sessions.retrieve(session)).status;
    await expect.poll(isSecondEnd, { timeout: 8000 }).toBe('idle');
    await expect
      .poll(async () => agentMessages(await fixture.eventsUntil(session, turnEnded)).length, {
        timeout: 8000,
      })
      .toBe(2);
  });
});

test("the worker downloads the skills of the session's agent", async () => {
  await bringAdder(fixture);
  startWorker();
  const session = await fixture.startSession('Use bash to tail -n 1 skills/adder/SKILL.md.');
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['Use awk.']);
});

test('an approval holds a call until the user allows it', async () => {
  startWorker();
  const session = await fixture.startSession(script([bash('echo allowed', { permission: 'ask' })]));
  const [call] = await fixture.calls(session, 1);
  await fixture.send(session, {
    type: 'user.tool_confirmation',
    tool_use_id: call?.id ?? '',
    result: 'allow',
  });
  expect(agentMessages(await fixture.eventsUntil(session, turnEnded))).toEqual(['allowed']);
});

test('a health check is stopped by the worker', async () => {
  startWorker();
  await fixture.admin('POST', `/environments/${fixture.environmentId}/healthcheck`);
  await expect.poll(async () => (await items())[0]?.state).toBe('stopped');
});

test('a worker whose lease another worker has renewed leaves the item; it is offered again', async () => {
  await fixture.set({ 'lease-ttl-seconds': '2' });
  const session = await fixture.startSession('Use bash to sleep 60.');
  const { id, secret } = await fixture.poll();
  const work = fixture.environment.beta.environments.work;
  await work.ack(id, { environment_id: fixture.environmentId });
  const served = workerWith(100).handleItem({
    workId: id,
    environmentId: fixture.environmentId,
    sessionId: session,
    workSecret: secret ?? '',
  });
  await expect.poll(async () => (await items())[0]?.state).toBe('active');
  await work.heartbeat(id, {
    environment_id: fixture.environmentId,
    expected_last_heartbeat: (await lastHeartbeat(id)) ?? '',
  });
  await served;
  expect((await items())[0]?.state).toBe('active');
  await fixture.admin('POST', '/clock', { advanceMs: 3000 });
  expect((await fixture.poll()).data.id).toBe(session);
});

async function lastHeartbeat(id: string): Promise<string | null> {
  const { work } = (await fixture.admin('GET', '/state')) as unknown as {
    work: Record<string, { heartbeat: string | null }>;
  };
  return work[id]?.heartbeat ?? null;
}
