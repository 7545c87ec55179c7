import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentWorker } from '@anthropic-ai/sdk/lib/environments/worker';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bringAdder } from './adder-skill.ts';
import {
  bash,
  clientOf,
  ended,
  type Fixture,
  message,
  said,
  script,
  startFixture,
} from './managed-agents.ts';

let it: Fixture;
let workdir: string;
let stop: AbortController;
let running: Promise<void> | undefined;
beforeEach(async () => {
  it = await startFixture();
  workdir = await mkdtemp(join(tmpdir(), 'managed-agents-worker-'));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await running?.catch(() => undefined);
  running = undefined;
  await it.close();
  await rm(workdir, { recursive: true, force: true });
});

/** The SDK's own worker, polling as it does. */
function startWorker(): void {
  running = workerWith(100).run();
}

function workerWith(maxIdleMs: number): EnvironmentWorker {
  return new EnvironmentWorker({
    client: clientOf(it.url, 'unused'),
    environmentId: it.environmentId,
    environmentKey: it.environmentKey,
    workdir,
    maxIdleMs,
    signal: stop.signal,
  });
}

const items = async () => (await it.environment.beta.environments.work.list(it.environmentId)).data;

describe.each([
  { 'tool-rounds': 'idle' },
  { 'tool-rounds': 'running' },
  { 'work-item-at': 'tool' },
  { 'work-secret': 'off', 'reoffer-id': 'new', 'ack-twice': '409' },
])("the SDK's worker with %j", (switches) => {
  test('serves a turn and the next one', async () => {
    await it.set(switches as Record<string, string>);
    startWorker();
    const session = await it.say(
      script(
        [bash('echo one > file; pwd'), { name: 'write', input: { file_path: 'second', content: 'two' } }],
        [bash('cat file second')],
      ),
    );
    expect(said(await it.eventsUntil(session, ended))).toEqual(['one\ntwo']);
    expect(await readFile(join(workdir, 'file'), 'utf8')).toBe('one\n');
    await expect.poll(async () => (await items()).map((item) => item.state)).toEqual(['stopped']);

    await it.send(session, message('Use bash to cat file; exit 3.'));
    const isSecondEnd = async () => (await it.organization.beta.sessions.retrieve(session)).status;
    await expect.poll(isSecondEnd, { timeout: 8000 }).toBe('idle');
    await expect
      .poll(async () => said(await it.eventsUntil(session, ended)).length, { timeout: 8000 })
      .toBe(2);
  });
});

test("the worker downloads the skills of the session's agent", async () => {
  await bringAdder(it);
  startWorker();
  const session = await it.say('Use bash to tail -n 1 skills/adder/SKILL.md.');
  expect(said(await it.eventsUntil(session, ended))).toEqual(['Use awk.']);
});

test('an approval holds a call until the user allows it', async () => {
  startWorker();
  const session = await it.say(script([bash('echo allowed', { permission: 'ask' })]));
  const [call] = await it.calls(session, 1);
  await it.send(session, { type: 'user.tool_confirmation', tool_use_id: call?.id ?? '', result: 'allow' });
  expect(said(await it.eventsUntil(session, ended))).toEqual(['allowed']);
});

test('a health check is stopped by the worker', async () => {
  startWorker();
  await it.admin('POST', `/environments/${it.environmentId}/healthcheck`);
  await expect.poll(async () => (await items())[0]?.state).toBe('stopped');
});

test('a worker whose lease somebody else renewed leaves the item alone; it is offered again', async () => {
  await it.set({ 'lease-ttl-seconds': '2' });
  const session = await it.say('Use bash to sleep 60.');
  const { id, secret } = await it.poll();
  const work = it.environment.beta.environments.work;
  await work.ack(id, { environment_id: it.environmentId });
  const served = workerWith(100).handleItem({
    workId: id,
    environmentId: it.environmentId,
    sessionId: session,
    workSecret: secret ?? '',
  });
  await expect.poll(async () => (await items())[0]?.state).toBe('active');
  await work.heartbeat(id, {
    environment_id: it.environmentId,
    expected_last_heartbeat: (await lastHeartbeat(id)) ?? '',
  });
  await served;
  expect((await items())[0]?.state).toBe('active');
  await it.admin('POST', '/clock', { advanceMs: 3000 });
  expect((await it.poll()).data.id).toBe(session);
});

async function lastHeartbeat(id: string): Promise<string | null> {
  const { work } = (await it.admin('GET', '/state')) as unknown as {
    work: Record<string, { heartbeat: string | null }>;
  };
  return work[id]?.heartbeat ?? null;
}
