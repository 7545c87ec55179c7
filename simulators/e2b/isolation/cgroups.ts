/**
 * Control groups of sandboxes: freezing (by cgroup2, else by the v1 freezer, else by signals), and limits on memory
 * and processes if the host's controllers allow it. Supports v1, v2 and hybrid hosts.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type Freezer = 'cgroup2' | 'cgroup1' | 'signals';

/** The groups of one sandbox; plain JSON, so that another process can take over. */
export interface SandboxGroups {
  freezer: Freezer;
  /** The group of the freezer; absent with `signals`. */
  freezerDir?: string;
  /** All groups, including `freezerDir`. */
  dirs: string[];
}

export interface Limits {
  memoryBytes: number;
  processes: number;
}

/** Where groups can be created on this host. */
export interface CgroupHost {
  freezer: Freezer;
  freezerParent?: string;
  /** Folders of the v1 hierarchies that limit memory and processes. */
  limitParents: string[];
}

interface Mount {
  point: string;
  type: string;
  options: string[];
}

/** Tries which mounted hierarchies this process may use. */
export function detectCgroups(mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')): CgroupHost {
  const mounts = parseMounts(mountInfo);
  const v1 = (controller: string) =>
    mounts.find((m) => m.type === 'cgroup' && m.options.includes(controller));
  const limitParents = [
    usableParent(v1('memory'), 'memory', 'memory.limit_in_bytes'),
    usableParent(v1('pids'), 'pids', 'pids.max'),
  ].filter((parent) => parent !== undefined);
  for (const mount of mounts.filter((m) => m.type === 'cgroup2')) {
    const parent = usableParent(mount, '', 'cgroup.freeze');
    if (parent) return { freezer: 'cgroup2', freezerParent: parent, limitParents };
  }
  const parent = usableParent(v1('freezer'), 'freezer', 'freezer.state');
  if (parent) return { freezer: 'cgroup1', freezerParent: parent, limitParents };
  return { freezer: 'signals', limitParents };
}

/** The groups of a sandbox with this name; does not create them. */
export function planGroups(host: CgroupHost, name: string): SandboxGroups {
  const dirs = host.limitParents.map((parent) => join(parent, name));
  if (!host.freezerParent) return { freezer: host.freezer, dirs };
  const freezerDir = join(host.freezerParent, name);
  return { freezer: host.freezer, freezerDir, dirs: [...dirs, freezerDir] };
}

/** Creates the planned groups and sets their limits. Ignores limits that the host refuses. */
export async function makeGroups({ dirs }: SandboxGroups, limits: Limits): Promise<void> {
  const files = {
    'memory.limit_in_bytes': limits.memoryBytes,
    'memory.max': limits.memoryBytes,
    'pids.max': limits.processes,
  };
  for (const dir of dirs) {
    await mkdir(dir, { recursive: true });
    for (const [file, value] of Object.entries(files)) {
      const path = join(dir, file);
      if (existsSync(path)) await writeFile(path, String(value)).catch(() => undefined);
    }
  }
}

/** Freezes or thaws a group, and waits until all its processes are frozen or thawed. */
export async function setFrozen({ freezer, freezerDir }: SandboxGroups, frozen: boolean): Promise<void> {
  if (!freezerDir) return;
  if (freezer === 'cgroup2') {
    await writeFile(join(freezerDir, 'cgroup.freeze'), frozen ? '1' : '0');
    const wanted = `frozen ${frozen ? 1 : 0}`;
    return until(async () => (await readFile(join(freezerDir, 'cgroup.events'), 'utf8')).includes(wanted));
  }
  const wanted = frozen ? 'FROZEN' : 'THAWED';
  await writeFile(join(freezerDir, 'freezer.state'), wanted);
  await until(async () => (await readFile(join(freezerDir, 'freezer.state'), 'utf8')).trim() === wanted);
}

/** Kills all processes in the groups, frozen or not, and thaws the groups for a later boot. */
export async function killGroups({ freezer, freezerDir, dirs }: SandboxGroups): Promise<void> {
  const set = (file: string, value: string) =>
    freezerDir && writeFile(join(freezerDir, file), value).catch(() => undefined);
  if (freezer === 'cgroup2') await set('cgroup.kill', '1');
  for (const dir of dirs) for (const pid of await members(dir)) killQuietly(pid);
  if (freezer === 'cgroup2') await set('cgroup.freeze', '0');
  if (freezer === 'cgroup1') await set('freezer.state', 'THAWED');
}

/** Removes killed groups. Throws if one is still busy after five seconds. */
export async function removeGroups(groups: SandboxGroups): Promise<void> {
  for (const dir of groups.dirs) {
    await until(async () => {
      for (const pid of await members(dir)) killQuietly(pid);
      return rmdir(dir).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
      );
    });
  }
}

async function members(dir: string): Promise<number[]> {
  const text = await readFile(join(dir, 'cgroup.procs'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has ended already.
  }
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 5_000; waited += 2) {
    if (await done()) return;
    await sleep(2);
  }
  throw new Error('a control group of a sandbox did not change its state within five seconds');
}

function parseMounts(mountInfo: string): Mount[] {
  return mountInfo
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [head = '', tail = ''] = line.split(' - ');
      const [type = '', , options = ''] = tail.split(' ');
      return { point: head.split(' ')[4] ?? '', type, options: options.split(',') };
    });
}

/** The own group of this process or else the root of the hierarchy, if a group can be created and entered there. */
function usableParent(mount: Mount | undefined, controller: string, file: string): string | undefined {
  if (!mount) return undefined;
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const own = lines
    .map((line) => line.split(':'))
    .find(([, names]) => names?.split(',').includes(controller));
  const parents = new Set([join(mount.point, own?.[2] ?? '/'), join(mount.point, '/')]);
  return [...parents].find((parent) => canUse(parent, file))?.replace(/(.)\/$/, '$1');
}

function canUse(parent: string, file: string): boolean {
  const dir = join(parent, `e2b-probe-${process.pid}`);
  try {
    mkdirSync(dir);
    accessSync(join(dir, file), constants.W_OK);
    return spawnSync('sh', ['-c', `echo $$ > ${dir}/cgroup.procs`], { stdio: 'ignore' }).status === 0;
  } catch {
    return false;
  } finally {
    try {
      rmdirSync(dir);
    } catch {
      // The group was not created.
    }
  }
}
