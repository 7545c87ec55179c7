// Isolation: code in a local sandbox cannot see or change the host, even as root.
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT } from '../e2b/isolation/agent-bundle.ts';
import { detectCgroups } from '../e2b/isolation/cgroups.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

const SECRET = 'host-secret-2f1c';

let e2b: E2BSimulator;
let one: Sandbox;
let other: Sandbox;

beforeAll(async () => {
  process.env.TEST_SECRET = SECRET;
  e2b = await startE2BSimulator();
  [one, other] = await Promise.all([e2b.Sandbox.create(), e2b.Sandbox.create()]);
});
afterAll(async () => {
  delete process.env.TEST_SECRET;
  await e2b?.end();
});

/** Runs a command as the sandbox's root. Returns its output and exit code. */
async function asRoot(sandbox: Sandbox, command: string): Promise<string> {
  const { stdout } = await sandbox.commands.run(`{ ${command}\n} 2>&1; echo "exit $?"`, { user: 'root' });
  return stdout;
}

test('the host: its files, processes, environment and name', async () => {
  for (const path of [PACKAGE_ROOT, e2b.stateDir, '/etc/shadow', '/boot']) {
    expect(await asRoot(one, `ls ${path}`)).toContain('No such file');
  }
  expect(await asRoot(one, 'ls -A /root /tmp')).toBe(
    '/root:\n.bash_logout\n.bashrc\n.profile\n\n/tmp:\nexit 0\n',
  );
  expect(await asRoot(one, `ls -d /proc/${process.pid}/fd || echo none`)).toContain('none');
  expect(await asRoot(one, 'cat /proc/*/environ | tr "\\0" "\\n"')).not.toMatch(
    new RegExp(`${SECRET}|${e2b.apiKey}|${e2b.stateDir}`),
  );
  expect(await asRoot(one, 'ps -eo args --no-headers | grep -vc -e bash -e ps -e agent.mjs -e grep')).toBe(
    '0\nexit 1\n',
  );
  expect(await asRoot(one, 'hostname')).toBe('e2b\nexit 0\n');
});

test('another sandbox: its files and processes', async () => {
  await other.files.write('/tmp/mine.txt', 'mine');
  const sleeper = await other.commands.run('exec sleep 4242', { background: true, timeoutMs: 0 });
  expect(await asRoot(one, 'cat /tmp/mine.txt')).toContain('No such file');
  expect(await asRoot(one, 'pgrep -f "sleep 424[2]" || echo none')).toContain('none');
  expect(
    await asRoot(one, 'echo changed > /usr/bin/env-of-one; rm /usr/bin/perl; ls /usr/bin/perl'),
  ).toContain('No such file');
  expect(await asRoot(other, 'ls /usr/bin/env-of-one')).toContain('No such file');
  expect(await asRoot(other, 'ls /usr/bin/perl')).toContain('exit 0');
  // Kills everything that is visible, including the agent.
  await expect(asRoot(one, 'kill -9 -1')).rejects.toThrow();
  expect((await other.commands.list()).map(({ pid }) => pid)).toEqual([sleeper.pid]);
  await other.commands.kill(sleeper.pid);
  await sleeper.wait().catch(() => undefined);
  one = await e2b.Sandbox.create();
});

test('the network: not the loopback of the host, nor anything beyond', async () => {
  const server = createHttpServer((_request, response) => response.end('reached'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await asRoot(one, `exec 3<>/dev/tcp/127.0.0.1/${port}`)).toContain('Connection refused');
  expect(await asRoot(one, 'exec 3<>/dev/tcp/1.1.1.1/53')).toContain('unreachable');
  server.close();
});

test('the rights of the host: its root has no rights outside', async () => {
  const pid = Number(await readFile(join(e2b.stateDir, 'sandboxes', one.sandboxId, 'pid'), 'utf8'));
  const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  expect(Number(uid)).not.toBe(0);
  expect(await asRoot(one, 'echo x > /proc/sys/kernel/core_pattern')).toContain('denied');
  expect(await asRoot(one, 'mknod /tmp/disk b 8 0')).toContain('not permitted');
  expect(await asRoot(one, 'echo x >> /usr/bin/bash')).toMatch(/denied|too large/);
});

test("a socket of the host through a link in place of the agent's", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'e2b-victim-'));
  let visits = 0;
  const victim = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => victim.listen(join(folder, 'host.sock'), resolve));
  const sandbox = await e2b.Sandbox.create();
  await asRoot(sandbox, `ln -sf ${folder}/host.sock /run/e2b/agent.sock`);
  await expect(sandbox.commands.list()).rejects.toThrow();
  expect(visits).toBe(0);
  await sandbox.kill();
  victim.close();
  await rm(folder, { recursive: true, force: true });
});

test.skipIf(detectCgroups().limitParents.length === 0)('more processes than it may have', async () => {
  const sandbox = await e2b.Sandbox.create();
  const flood = 'for n in $(seq 1500); do sleep 20 & done; wait';
  const { stdout } = await sandbox.commands.run(`{ ${flood}; } 2>&1 | head -1; pkill sleep`, {
    timeoutMs: 20_000,
  });
  expect(stdout).toMatch(/Resource temporarily unavailable|fork/);
  await sandbox.kill();
});
