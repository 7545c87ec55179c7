// A session's sandbox made ready: created, found again, resumed, replaced.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  listSandboxes,
  sandboxMetadata,
  sharedMetadata,
} from '../../../activities/sandbox/prepare-sandbox.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import { TOOLHOST_BUNDLE } from '../../toolhost/running-toolhost.ts';
import { e2b, folder } from '../e2b.ts';
import { environmentId, fault, healthOf, worker } from './sandbox-workers.ts';

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
    expect((await fetch(`${e2b.url}/health`, { headers })).status).toBe(403);
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
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    const replaced = await worker(DEFINITION.name, one.sessionId).prepare(sandboxId);
    expect(replaced.how).toBe('replaced');
    expect(replaced.sandboxId).not.toBe(sandboxId);
  });

  it.each([
    ['has results of calls, which ran in a sandbox that is gone', false, 'replaced'],
    ['has only errors, of calls that may never have run', true, 'created'],
  ] as const)('for a workflow without its history, whose session %s', async (_what, is_error, how) => {
    const one = worker();
    const events = { list: async () => ({ data: [{ type: 'user.tool_result', is_error }] }) };
    one.deps.anthropic = {
      ...one.deps.anthropic,
      environment: { beta: { sessions: { retrieve: async () => ({}), events } } } as never,
    };
    expect((await one.prepare()).how).toBe(how);
    // A sandbox that is there is adopted: nothing was lost.
    expect((await one.prepare()).how).toBe('adopted');
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
    const program = (await readFile(TOOLHOST_BUNDLE, 'utf8')).replace(/(TOOLHOST_VERSION = )"\d+"/, '$1"99"');
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
