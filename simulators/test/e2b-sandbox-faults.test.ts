// Faults of local sandboxes through the unmodified SDK: of the control plane, of the data plane, lost sandboxes, limits.
import { NotFoundError, RateLimitError, SandboxNotFoundError, ServiceBusyError } from 'e2b';
import { describe, expect, test } from 'vitest';
import { ask, e2b, stateOf } from './e2b-greeter.ts';

describe('faults', () => {
  const fault = (rule: object) => e2b.admin('POST', '/faults', rule);

  test('of the control plane come before or after the request takes effect', async () => {
    await fault({ route: 'sandbox.create', kind: 'status', status: 429, times: 1 });
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(RateLimitError);
    await fault({ route: 'sandbox.create', kind: 'status', status: 503, times: 1 });
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(ServiceBusyError);
    expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
    await fault({ route: 'sandbox.create', kind: 'commit-then-drop', times: 1 });
    await expect(e2b.Sandbox.create('base', { metadata: { attempt: '1' } })).rejects.toThrow();
    const [orphan] = await e2b.Sandbox.list({ query: { metadata: { attempt: '1' } } }).nextItems();
    const sandbox = await e2b.Sandbox.connect(orphan?.sandboxId ?? '');
    await fault({ route: 'sandbox.pause', kind: 'status', status: 500, times: 1 });
    await expect(sandbox.pause()).rejects.toMatchObject({ statusCode: 500 });
    expect(await stateOf(sandbox)).toBe('running');
    await fault({ route: 'sandbox.connect', kind: 'status', status: 404, times: 1 });
    await expect(sandbox.connect()).rejects.toBeInstanceOf(SandboxNotFoundError);
    for (const route of ['sandbox.get', 'sandbox.timeout', 'sandbox.kill', 'sandbox.list']) {
      await fault({ route, kind: 'status', status: 418, times: 1 });
    }
    await expect(stateOf(sandbox)).rejects.toMatchObject({ statusCode: 418 });
    await expect(sandbox.setTimeout(1)).rejects.toMatchObject({ statusCode: 418 });
    await expect(sandbox.kill()).rejects.toMatchObject({ statusCode: 418 });
    await expect(e2b.Sandbox.list().nextItems()).rejects.toMatchObject({ statusCode: 418 });
    expect(await sandbox.kill()).toBe(true);
  });

  test('of the data plane hit commands and ports', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await fault({ route: 'port', match: sandbox.sandboxId, kind: 'status', status: 502, times: 1 });
    expect((await ask(sandbox))[0]).toBe(502);
    await fault({ route: 'port', kind: 'commit-then-drop', times: 1 });
    await expect(ask(sandbox)).rejects.toThrow();
    expect((await ask(sandbox))[1]).toContain(' 2');
    await fault({ route: 'envd', match: 'Process/Start', kind: 'cut-stream', times: 1 });
    await expect(sandbox.commands.run('echo done > /tmp/done')).rejects.toThrow();
    await expect.poll(() => sandbox.files.exists('/tmp/done')).toBe(true);
    await fault({ route: 'envd', match: 'Process/Start', kind: 'drop', times: 1 });
    await expect(sandbox.commands.run('echo done > /tmp/never')).rejects.toThrow();
    expect(await sandbox.files.exists('/tmp/never')).toBe(false);
    await sandbox.kill();
  });

  test('a vanished sandbox is gone for all clients', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/vanish`);
    await expect(stateOf(sandbox)).rejects.toBeInstanceOf(SandboxNotFoundError);
    await expect(e2b.Sandbox.connect(sandbox.sandboxId)).rejects.toBeInstanceOf(NotFoundError);
    expect(await sandbox.kill()).toBe(false);
    expect((await ask(sandbox))[0]).toBe(502);
    await expect(e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/vanish`)).rejects.toThrow('404');
  });

  test('a sandbox that ends by itself is gone', async () => {
    const sandbox = await e2b.Sandbox.create();
    await sandbox.commands.run('kill -9 $(pgrep -f agent.mjs)', { user: 'root' }).catch(() => undefined);
    await expect
      .poll(() => stateOf(sandbox).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
  });

  test('the number of running sandboxes can be limited', async () => {
    await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 1 });
    const sandbox = await e2b.Sandbox.create();
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(RateLimitError);
    await sandbox.pause();
    const next = await e2b.Sandbox.create();
    await expect(sandbox.connect()).rejects.toBeInstanceOf(RateLimitError);
    await next.kill();
    const sleeper = await e2b.Sandbox.create('greeter', {
      lifecycle: { onTimeout: 'pause', autoResume: true },
    });
    await sleeper.pause();
    await sandbox.connect();
    const [status, body] = await ask(sleeper);
    expect([status, JSON.parse(body)]).toMatchObject([429, { sandboxId: sleeper.sandboxId, code: 429 }]);
    await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 0 });
    await Promise.all([sandbox.kill(), sleeper.kill()]);
  });
});
