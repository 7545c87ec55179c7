import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SkillArchives } from '../../../activities/equipment/skills.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import {
  createSandboxActivities,
  listSandboxes,
  sandboxMetadata,
  sharedMetadata,
} from '../../../activities/sandbox/prepare-sandbox.ts';
import { createSharedSandboxActivities } from '../../../activities/sandbox/shared-sandbox.ts';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { writeLocalTemplate } from '../../../template/manifest.ts';
import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import type { Prepared, SandboxRequest } from '../../../workflows/contract.ts';
import { bundleToolhost } from '../../toolhost/running-toolhost.ts';
import { activityContext, testDeps } from '../deps.ts';

let cloud: E2BSimulator;
let folder: string;
let toolhost: { file: string; version: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
  toolhost = { file: await bundleToolhost(folder), version: TOOLHOST_VERSION };
  const template = await writeLocalTemplate(folder, toolhost.file);
  cloud = await startE2BSimulator({ templates: [template] });
});
afterAll(async () => {
  await cloud.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await cloud.admin('DELETE', '/faults');
});

const environmentId = 'env_1';
let lastSession = 0;

/** A session's sandbox activities, as one worker has them. */
function worker(template: string = DEFINITION.name, sessionId = `sesn_${++lastSession}`, attempt = 1) {
  const deps = testDeps({ e2b: { ...cloud, template } }, { toolhost: { ...toolhost } });
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const activities = createSandboxActivities(deps, sandboxes);
  const shared = createSharedSandboxActivities(deps, sandboxes, new SkillArchives());
  const run = activityContext({ attempt });
  return {
    deps,
    sessionId,
    prepare: (sandboxId: string | null = null, wish: Partial<SandboxRequest> = {}): Promise<Prepared> =>
      run.run(activities.prepareSandbox, { sessionId, environmentId, sandboxId, nonce: 'nonce-1', ...wish }),
    /** The session's id stands for the key. */
    prepareShared: (
      _sandboxId: string | null = null,
      wish: Partial<SandboxRequest> = {},
    ): Promise<Prepared> =>
      run.run(shared.prepareSharedSandbox, {
        environmentId,
        key: sessionId,
        sandboxId: null,
        nonce: 'nonce-1',
        ...wish,
      }),
    pause: (sandboxId: string): Promise<'paused' | 'lost'> => run.run(activities.pauseSandbox, { sandboxId }),
    kill: (): Promise<string[]> => run.run(activities.killSandboxes, { sessionId, environmentId }),
    list: () => listSandboxes(deps, sandboxMetadata(environmentId, sessionId)),
  };
}
const fault = (rule: object) => cloud.admin('POST', '/faults', { times: 1, ...rule });
const healthOf = async (of: ReturnType<typeof worker>, sandboxId: string) =>
  of.deps.e2b.toolhost(await of.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).health();

describe('prepare', () => {
  it('creates a sandbox whose toolhost answers, then finds it again', async () => {
    const one = worker();
    const { sandboxId, how } = await one.prepare();
    expect(how).toBe('created');
    expect(await healthOf(one, sandboxId)).toMatchObject({ version: expect.anything() });
    const other = worker(DEFINITION.name, one.sessionId);
    expect(await other.prepare(sandboxId)).toEqual({ sandboxId, how: 'connected' });
    const [info] = await one.list();
    expect(info?.metadata).toMatchObject({
      managed_by: 'managed-agents-router',
      environment: environmentId,
      session: one.sessionId,
    });
    const { lifecycle } = await one.deps.e2b.Sandbox.getInfo(sandboxId);
    expect(lifecycle).toMatchObject({ onTimeout: 'pause', autoResume: true });
  });

  it('is not reachable without its traffic token', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    const headers = { 'e2b-sandbox-id': sandboxId, 'e2b-sandbox-port': '7800' };
    expect((await fetch(`${cloud.url}/health`, { headers })).status).toBe(403);
  });

  it('adopts the sandbox of an attempt whose answer got lost', async () => {
    const one = worker();
    await fault({ route: 'sandbox.create', kind: 'commit-then-drop' });
    await expect(one.prepare()).rejects.toMatchObject({ nonRetryable: false });
    expect((await one.prepare()).how).toBe('adopted');
    expect(await one.list()).toHaveLength(1);
  });

  it('gives way to a later attempt that created one meanwhile', async () => {
    const givenUp = worker();
    await fault({ route: 'sandbox.create', kind: 'latency', latencyMs: 1000 });
    const late = givenUp.prepare();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { sandboxId } = await worker(DEFINITION.name, givenUp.sessionId).prepare();
    expect(await late).toEqual({ sandboxId, how: 'adopted' });
    expect((await givenUp.list()).map((one) => one.sandboxId)).toEqual([sandboxId]);
  });

  it.each([
    ['of a session', sandboxMetadata, 'prepare'],
    ['that is shared', sharedMetadata, 'prepareShared'],
  ] as const)(
    '%s: kills what a dead attempt had asked for and got too late to be adopted',
    async (_what, of, prepare) => {
      const dead = worker();
      const metadata = of(environmentId, dead.sessionId);
      await fault({ route: 'sandbox.create', kind: 'latency', latencyMs: 500 });
      const late = dead.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await fault({ route: 'port', kind: 'latency', latencyMs: 5000 });
      const { sandboxId, how } = await worker(DEFINITION.name, dead.sessionId, 2)[prepare]();
      expect(how).toBe('created');
      expect((await late).sandboxId).not.toBe(sandboxId);
      expect((await listSandboxes(dead.deps, metadata)).map((one) => one.sandboxId)).toEqual([sandboxId]);
    },
  );

  it('resumes a paused sandbox', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    expect(await one.pause(sandboxId)).toBe('paused');
    expect(await one.prepare(sandboxId)).toEqual({ sandboxId, how: 'connected' });
    expect(await healthOf(one, sandboxId)).toBeTruthy();
  });

  it('replaces a sandbox that is gone, not one that was only missed once', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    const other = worker(DEFINITION.name, one.sessionId);
    await fault({
      route: 'sandbox.connect',
      kind: 'status',
      status: 404,
      body: { code: 404, message: 'no' },
    });
    expect(await other.prepare(sandboxId)).toEqual({ sandboxId, how: 'connected' });
    await cloud.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    const replaced = await worker(DEFINITION.name, one.sessionId).prepare(sandboxId);
    expect(replaced.how).toBe('replaced');
    expect(replaced.sandboxId).not.toBe(sandboxId);
  });

  it('is tried again where the sandbox does not answer', async () => {
    const one = worker('base');
    await fault({ route: 'envd', kind: 'status', status: 502 });
    await expect(one.prepare()).rejects.toMatchObject({ nonRetryable: false });
    expect((await one.prepare()).how).toBe('adopted');
  });

  it('uploads the toolhost where the template lacks it', async () => {
    const one = worker('base');
    const { sandboxId } = await one.prepare();
    expect(await healthOf(one, sandboxId)).toMatchObject({ version: TOOLHOST_VERSION });
    expect(await one.pause(sandboxId)).toBe('paused');
  });

  it('replaces an older toolhost, and leaves a newer one alone', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    const newer = worker(DEFINITION.name, one.sessionId);
    const program = (await readFile(toolhost.file, 'utf8')).replace(/(TOOLHOST_VERSION = )"\d+"/, '$1"99"');
    newer.deps.toolhost = { file: join(folder, 'newer.mjs'), version: '99' };
    await writeFile(newer.deps.toolhost.file, program);
    await newer.prepare(sandboxId);
    const { bootId, version } = await healthOf(one, sandboxId);
    expect(version).toBe('99');
    await one.prepare(sandboxId);
    expect((await healthOf(one, sandboxId)).bootId).toBe(bootId);
  });

  it('names the setting when there is no such template', async () => {
    const one = worker('no-such-template');
    await expect(one.prepare()).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.stringContaining('E2B_TEMPLATE'),
    });
  });

  it.each([
    ['too many requests', { kind: 'status', status: 429 }],
    ['no capacity', { kind: 'status', status: 503 }],
    ['an error', { kind: 'status', status: 500 }],
    ['a dropped connection', { kind: 'drop' }],
  ])('says that a retry may help: %s', async (_name, rule) => {
    const one = worker();
    await fault({ route: 'sandbox.create', ...rule });
    await expect(one.prepare()).rejects.toMatchObject({ nonRetryable: false });
    expect((await one.prepare()).how).toBe('created');
  });
});

describe.each([
  ['of a session', 'prepare', sandboxMetadata],
  ['that is shared', 'prepareShared', sharedMetadata],
] as const)('adoption of a sandbox %s', (_what, prepare, of) => {
  it.each<[string, (own: Record<string, string>) => Record<string, string>]>([
    ['without a proof', () => ({})],
    ['with a proof that is none', ({ nonce = '' }) => ({ nonce, proof: 'made-up' })],
    ['with the proof of another one', ({ nonce = '', proof = '' }) => ({ nonce: `${nonce}x`, proof })],
  ])('is refused %s', async (_how, forge) => {
    const other = worker();
    await other[prepare]();
    const [info] = await listSandboxes(other.deps, of(environmentId, other.sessionId));
    const one = worker();
    const metadata = { ...of(environmentId, one.sessionId), ...forge(info?.metadata ?? {}) };
    const planted = await one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    const { sandboxId, how } = await one[prepare]();
    expect(how).toBe('created');
    expect(sandboxId).not.toBe(planted.sandboxId);
  });

  it('is refused with the proof of another session', async () => {
    const other = worker();
    await other[prepare]();
    const [info] = await listSandboxes(other.deps, of(environmentId, other.sessionId));
    const one = worker();
    const metadata = { ...info?.metadata, ...of(environmentId, one.sessionId) };
    await one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    expect((await one[prepare]()).how).toBe('created');
  });

  it('works where the history is gone, but takes no fork in place of a lost original', async () => {
    const one = worker();
    const { sandboxId } = await one[prepare]();
    const restarted = await one[prepare](null, { nonce: 'nonce-2' });
    expect(restarted).toMatchObject({ sandboxId, how: 'adopted' });
    await (await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).fork({ timeoutMs: 60_000 });
    await cloud.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    const replaced = await one[prepare](null, { nonce: 'nonce-3', hadSandbox: true });
    expect(replaced.how).toBe('created');
  });

  it('uses neither of an original and its fork where the history is gone', async () => {
    const one = worker();
    const { sandboxId } = await one[prepare]();
    await (await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).fork({ timeoutMs: 60_000 });
    const restarted = await one[prepare](null, { nonce: 'nonce-2' });
    expect(restarted.how).toBe('created');
    expect(restarted.sandboxId).not.toBe(sandboxId);
  });
});

describe('pause', () => {
  it('is safe to repeat', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    expect(await one.pause(sandboxId)).toBe('paused');
    expect(await one.pause(sandboxId)).toBe('paused');
  });

  it('says so when the sandbox is gone', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    await cloud.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    expect(await one.pause(sandboxId)).toBe('lost');
  });

  it('is not believed before it was read back', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    await fault({ route: 'sandbox.pause', kind: 'status', status: 204 });
    await expect(one.pause(sandboxId)).rejects.toMatchObject({ nonRetryable: false });
    expect(await one.pause(sandboxId)).toBe('paused');
  });

  it('kills what was made for the session late, unless a call ran there', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    const metadata = sandboxMetadata(environmentId, one.sessionId);
    const more = () => one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    const [unused, used] = [await more(), await more()];
    await used.files.write('/var/lib/toolhost/calls.jsonl', '{"id":"sevt_1"}\n', { user: 'root' });
    const stranger = worker();
    await stranger.prepare();
    expect(await one.pause(sandboxId)).toBe('paused');
    const left = (await one.list()).map(({ sandboxId, state }) => [sandboxId, state]);
    expect(left.sort()).toEqual(
      [
        [sandboxId, 'paused'],
        [used.sandboxId, 'running'],
      ].sort(),
    );
    expect(await unused.isRunning()).toBe(false);
    expect((await stranger.list()).map(({ state }) => state)).toEqual(['running']);
  });
});

describe('kill', () => {
  it('leaves nothing of the session, and is safe to repeat', async () => {
    const one = worker();
    const stranger = worker();
    await stranger.prepare();
    const { sandboxId } = await one.prepare();
    expect(await one.kill()).toEqual([sandboxId]);
    expect(await one.list()).toEqual([]);
    expect(await one.kill()).toEqual([]);
    expect(await stranger.list()).toHaveLength(1);
  });
});
