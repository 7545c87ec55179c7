// The life cycle of local sandboxes through the unmodified SDK: pause, resume, time-outs.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Sandbox, SandboxError, SandboxNotFoundError } from 'e2b';
import { describe, expect, test } from 'vitest';
import { ask, e2b, stateOf } from './e2b-greeter.ts';

describe('pause and resume', () => {
  test('keep processes, their memory, and files', async () => {
    const sandbox = await e2b.Sandbox.create('greeter', { envs: { SECRET: 'late' } });
    const first = await sandbox.commands.run(
      'echo kept > ~/kept.txt; n=0; while :; do n=$((n+1)); echo $n > /tmp/ticks; sleep 0.01; done',
      { background: true, timeoutMs: 0 },
    );
    // The template's process has the template's variables, not those of the sandbox.
    expect(await ask(sandbox)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    first.wait().catch(() => undefined);
    await first.disconnect();

    expect(await sandbox.pause()).toBe(true);
    expect(await e2b.Sandbox.pause(sandbox.sandboxId)).toBe(false);
    expect(await stateOf(sandbox)).toBe('paused');
    await expect(sandbox.commands.run('true')).rejects.toBeInstanceOf(SandboxNotFoundError);
    expect((await ask(sandbox))[0]).toBe(502);

    const again = await e2b.Sandbox.connect(sandbox.sandboxId, { timeoutMs: 60_000 });
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 2']);
    expect((await again.commands.list()).map(({ pid }) => pid)).toContain(first.pid);
    expect(await again.files.read('kept.txt')).toBe('kept\n');
    const ticks = Number(await again.files.read('/tmp/ticks'));
    await expect.poll(async () => Number(await again.files.read('/tmp/ticks'))).toBeGreaterThan(ticks);
    // Variables given at creation survive the pause.
    expect((await again.commands.run('echo $SECRET')).stdout).toBe('late\n');
    await again.kill();
  });

  test('frozen processes do not run', async () => {
    const sandbox = await e2b.Sandbox.create();
    const loop = 'n=0; while :; do n=$((n+1)); echo $n > /tmp/ticks; sleep 0.005; done';
    const handle = await sandbox.commands.run(loop, { background: true, timeoutMs: 0 });
    handle.wait().catch(() => undefined);
    await handle.disconnect();
    const file = join(e2b.stateDir, 'sandboxes', sandbox.sandboxId, 'root/tmp/ticks');
    const ticks = () => readFile(file, 'utf8');
    await expect.poll(ticks).toContain('\n');
    await sandbox.pause();
    const paused = await ticks();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ticks()).toBe(paused);
    await sandbox.connect();
    await expect.poll(ticks).not.toBe(paused);
    await sandbox.kill();
  });

  test('without memory only the files stay, and the template starts again', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await sandbox.files.write('/mnt/session/kept.txt', 'kept');
    await ask(sandbox);
    await sandbox.commands.run('apt=/usr/local/lib/own; mkdir -p $apt && echo own > $apt/file', {
      user: 'root',
    });
    await sandbox.pause({ keepMemory: false });
    const again = await e2b.Sandbox.connect(sandbox.sandboxId);
    expect(await again.files.read('/mnt/session/kept.txt')).toBe('kept');
    expect(await again.files.read('/usr/local/lib/own/file')).toBe('own\n');
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await again.kill();
  });

  test('a switch makes every resume a reboot, and the admin interface restarts a sandbox', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await ask(sandbox);
    await e2b.admin('PATCH', '/switches', { resume: 'reboot' });
    await sandbox.pause();
    const again = await e2b.Sandbox.connect(sandbox.sandboxId);
    await e2b.admin('PATCH', '/switches', { resume: 'memory' });
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/restart`);
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await again.kill();
  });

  test('the boot id is its own, kept with the memory and new after each boot', async () => {
    const [sandbox, other] = await Promise.all([e2b.Sandbox.create(), e2b.Sandbox.create()]);
    const bootId = (of: Sandbox) => of.files.read('/proc/sys/kernel/random/boot_id');
    const first = await bootId(sandbox);
    await sandbox.pause();
    await sandbox.connect();
    expect(await bootId(sandbox)).toBe(first);
    await sandbox.pause({ keepMemory: false });
    await sandbox.connect();
    const host = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const all = [first, await bootId(sandbox), await bootId(other), host];
    expect(new Set(all).size).toBe(4);
    expect(first).toMatch(/^[0-9a-f-]{36}\n$/);
    await Promise.all([sandbox.kill(), other.kill()]);
  });

  test('traffic resumes a sandbox with autoResume, if it has the token', async () => {
    const sandbox = await e2b.Sandbox.create('greeter', {
      lifecycle: { onTimeout: 'pause', autoResume: true },
      network: { allowPublicTraffic: false },
    });
    expect((await ask(sandbox))[1]).toContain(' 1');
    const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8000' };
    await sandbox.pause();
    expect((await fetch(e2b.url, { headers })).status).toBe(403);
    expect(await stateOf(sandbox)).toBe('paused');
    expect((await ask(sandbox))[1]).toContain(' 2');
    expect(await stateOf(sandbox)).toBe('running');
    await sandbox.pause();
    expect((await sandbox.commands.run('echo awake')).stdout).toBe('awake\n');
    await sandbox.kill();
  });

  test('a client with an open stream resumes it again at once', async () => {
    const sandbox = await e2b.Sandbox.create('base', { lifecycle: { onTimeout: 'pause', autoResume: true } });
    const handle = await sandbox.commands.run('sleep 100', { background: true, timeoutMs: 0 });
    const ended = handle.wait().catch((error: unknown) => error);
    await sandbox.pause();
    expect(await ended).toBeInstanceOf(SandboxError);
    expect(await stateOf(sandbox)).toBe('running');
    await sandbox.kill();
  });
});

describe('time', () => {
  test('kills a sandbox, or pauses it if it was created so', async () => {
    const mortal = await e2b.Sandbox.create('base', { timeoutMs: 60_000 });
    const patient = await e2b.Sandbox.create('base', {
      timeoutMs: 60_000,
      lifecycle: { onTimeout: 'pause' },
    });
    const extended = await e2b.Sandbox.create('base', { timeoutMs: 60_000 });
    await extended.setTimeout(600_000);
    await extended.connect({ timeoutMs: 1_000 });
    await e2b.admin('POST', '/clock', { advanceMs: 61_000 });
    await expect
      .poll(() => stateOf(mortal).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await expect.poll(() => stateOf(patient)).toBe('paused');
    // Connecting never shortens the time-out.
    expect(await stateOf(extended)).toBe('running');
    const info = await e2b.Sandbox.getInfo(patient.sandboxId);
    expect(info.lifecycle).toMatchObject({ onTimeout: 'pause', autoResume: false });
    // Refused with 409 during the pause.
    await expect
      .poll(() => patient.setTimeout(1000).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await extended.setTimeout(0);
    await expect
      .poll(() => stateOf(extended).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await patient.kill();
  });

  test('a run ends when it has lasted as long as the plan allows; a pause starts anew', async () => {
    await e2b.admin('PATCH', '/switches', { 'longest-run-seconds': 600 });
    try {
      const { sandboxId } = await e2b.Sandbox.create({
        timeoutMs: 300_000,
        lifecycle: { onTimeout: 'pause', autoResume: true },
      });
      const run = async () => {
        const { startedAt, endAt } = await e2b.Sandbox.getInfo(sandboxId);
        return endAt.getTime() - startedAt.getTime();
      };
      await e2b.Sandbox.setTimeout(sandboxId, 3_600_000);
      expect(await run()).toBe(600_000);
      await e2b.admin('POST', '/clock', { advanceMs: 601_000 });
      await expect.poll(async () => (await e2b.Sandbox.getInfo(sandboxId)).state).toBe('paused');
      await e2b.Sandbox.connect(sandboxId, { timeoutMs: 3_600_000 });
      expect(await run()).toBe(600_000);
    } finally {
      await e2b.admin('PATCH', '/switches', { 'longest-run-seconds': 86_400 });
    }
  });

  test('beyond the plan is refused', async () => {
    await expect(e2b.Sandbox.create('base', { timeoutMs: 25 * 3_600_000 })).rejects.toThrow('24 hours');
  });
});
