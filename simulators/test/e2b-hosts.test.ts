// Local sandboxes on different hosts: with cgroups v1 or v2, without cgroups, and without root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callAgent } from '../e2b/agent-client.ts';
import { ensureAgentBundle, PACKAGE_ROOT } from '../e2b/isolation/agent-bundle.ts';
import { ensureBaseTree } from '../e2b/isolation/base-tree.ts';
import { freezeBox, isBoxAlive, planBox, removeBox, startBox, thawBox } from '../e2b/isolation/box.ts';
import { detectCgroups } from '../e2b/isolation/cgroups.ts';
import { ensureNodeRuntime } from '../e2b/isolation/node-runtime.ts';
import type { RunningE2B } from '../e2b/server.ts';
import { bound } from './e2b-simulator.ts';

const CACHE = join(PACKAGE_ROOT, '.cache');
const LIMITS = { memoryBytes: 512 * 1024 * 1024, processes: 100 };
const NOBODY = 65_534;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-host-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
const only = (type: RegExp) => mounts.filter((line) => type.test(line)).join('\n');
const kinds = [
  ['cgroup2', only(/ - cgroup2 /)],
  ['cgroup1', only(/ - cgroup /)],
  ['signals', ''],
] as const;

describe.each(kinds)('a host with %s', (freezer, mountInfo) => {
  const host = detectCgroups(mountInfo);

  test.skipIf(host.freezer !== freezer)(
    'freezes, thaws, kills a frozen sandbox, and is left clean',
    async () => {
      const [node, base, agent] = await Promise.all([
        ensureNodeRuntime(CACHE),
        ensureBaseTree(CACHE),
        ensureAgentBundle(CACHE),
      ]);
      const template = join(folder, 'empty');
      await mkdir(template);
      const dir = join(folder, `box-${freezer}`);
      const groups = planBox(dir, host);
      const box = await startBox(dir, { node, base, agent, template }, groups, LIMITS);
      const answers = () => callAgent(dir, 'PUT', '/_host-ports', []).then(() => true);
      expect(await answers()).toBe(true);
      await freezeBox(box);
      const late = answers();
      expect(await Promise.race([late, sleep(200, false)])).toBe(false);
      expect(isBoxAlive(box)).toBe(true);
      await thawBox(box);
      expect(await late).toBe(true);
      await freezeBox(box);
      await removeBox(dir, groups, box);
      expect(isBoxAlive(box)).toBe(false);
      expect([dir, ...groups.dirs].filter((path) => existsSync(path))).toEqual([]);
    },
  );
});

/** Whether an unprivileged user can read the package, which may be in a private home folder. */
function isOpen(path: string): boolean {
  return (statSync(path).mode & 0o005) === 0o005 && (path === dirname(path) || isOpen(dirname(path)));
}

test.skipIf(process.geteuid?.() !== 0 || !isOpen(PACKAGE_ROOT))(
  'a user without rights has sandboxes too',
  async () => {
    const programs = await mkdtemp(join(CACHE, 'test-'));
    const cacheDir = join(folder, 'cache');
    const stateDir = join(folder, 'state');
    for (const dir of [cacheDir, stateDir]) await mkdir(dir);
    const node = await ensureNodeRuntime(CACHE);
    await symlink(node, join(cacheDir, basename(node)));
    for (const path of [folder, cacheDir, stateDir, programs]) await chown(path, NOBODY, NOBODY);
    const outfile = join(programs, 'e2b.mjs');
    await build({
      entryPoints: [join(import.meta.dirname, 'e2b-process.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
    const child = spawn(process.execPath, [outfile, JSON.stringify({ stateDir, cacheDir })], {
      uid: NOBODY,
      gid: NOBODY,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { Sandbox } = bound(JSON.parse(line) as RunningE2B);
    const sandbox = await Sandbox.create();
    const who = 'echo "$(whoami) $(id -u)"; touch ~/own; stat -c %U ~/own';
    expect((await sandbox.commands.run(who)).stdout).toBe('user 1000\nuser\n');
    expect((await sandbox.commands.run('whoami; touch /usr/bin/own', { user: 'root' })).stdout).toBe(
      'root\n',
    );
    let typed = '';
    const terminal = await sandbox.pty.create({
      cols: 80,
      rows: 24,
      onData: (data) => {
        typed += Buffer.from(data).toString();
      },
    });
    await sandbox.pty.sendInput(
      terminal.pid,
      Buffer.from('whoami; test -w $(tty) && echo own-$((1+1)); exit\n'),
    );
    await terminal.wait();
    expect(typed).toMatch(/user\r\nown-2\r\n/);
    await sandbox.files.write('kept.txt', 'kept', { metadata: { by: 'me' } });
    expect((await sandbox.files.getInfo('kept.txt')).metadata).toEqual({ by: 'me' });
    await sandbox.pause();
    const again = await Sandbox.connect(sandbox.sandboxId);
    expect(await again.files.read('kept.txt')).toBe('kept');
    await again.kill();
    expect(await readdir(join(stateDir, 'sandboxes'))).toEqual([]);
    child.kill();
    await rm(programs, { recursive: true, force: true });
  },
);
