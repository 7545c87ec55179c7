/** Boots a sandbox in its folder: namespaces, root file system, agent. A folder can be booted repeatedly. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { SandboxGroups } from './cgroups.ts';
import { explainBootFailure } from './explain.ts';
import { ID_MAPS, IS_ROOT, OWNER } from './owner.ts';
import { identify, type SandboxProcess } from './sandbox-process.ts';
import { BIND_SCRIPT, SETUP_SCRIPT } from './setup-script.ts';

/** Host folders that a sandbox is composed of. */
export interface BootImage {
  base: string;
  node: string;
  agent: string;
  /** A template's tree, or an empty folder. */
  template: string;
}

const BOOT_TIMEOUT_MS = 20_000;
const SHELL = ['--norc', '--noprofile', '-c'];

/** Waits until the parent has written the id maps, then enters all other namespaces. */
const ENTER =
  'echo up >&4; read -r _ || exit 1; exec unshare --mount --pid --ipc --uts --net --fork --kill-child';
const INNER = `${ENTER} bash ${SHELL.join(' ')} 'eval "$SETUP"'`;

/**
 * Resolves when the sandbox's agent listens on `<dir>/run/agent.sock`. On failure no process is left running; the
 * error contains the reason and a remedy.
 */
export async function bootSandbox(
  dir: string,
  image: BootImage,
  groups: SandboxGroups,
): Promise<SandboxProcess> {
  await mkdir(join(dir, 'run'), { recursive: true, mode: 0o755 });
  for (const path of [dir, join(dir, 'run')]) await chown(path, OWNER.uid, OWNER.gid);
  await rm(join(dir, 'pid'), { force: true });
  const log = join(dir, 'setup.log');
  const child = launch(dir, image, groups, log);
  try {
    const ready = child.stdio[4] as Readable;
    await waitForWord(child, ready, 'up');
    if (!IS_ROOT) await writeFile(`/proc/${child.pid}/setgroups`, 'deny');
    await writeFile(`/proc/${child.pid}/uid_map`, ID_MAPS.uid);
    await writeFile(`/proc/${child.pid}/gid_map`, ID_MAPS.gid);
    child.stdin?.end('go\n');
    await waitForWord(child, ready, 'ready');
    ready.destroy();
    child.unref();
    return await identify(Number(await readFile(join(dir, 'pid'), 'utf8')));
  } catch (error) {
    child.kill('SIGKILL');
    const words = await readFile(log, 'utf8').catch(() => '');
    throw explainBootFailure(words.trim() || (error as Error).message);
  }
}

function launch(dir: string, image: BootImage, groups: SandboxGroups, log: string): ChildProcess {
  const join = groups.dirs.map((group) => `echo $$ > ${group}/cgroup.procs; `).join('');
  const enter = 'exec unshare --user bash --norc --noprofile -c "$INNER"';
  const drop = `exec setpriv --reuid=${OWNER.uid} --regid=${OWNER.gid} --clear-groups ${enter.slice('exec '.length)}`;
  const script = IS_ROOT
    ? `${join}exec unshare --mount --propagation private bash ${SHELL.join(' ')} "$BIND"`
    : `${join}${enter}`;
  const host = { D: dir, BASE: image.base, NODEDIR: image.node, AGENTDIR: image.agent, TPL: image.template };
  const bound = {
    D: '/run/d',
    BASE: '/run/base',
    NODEDIR: '/run/node',
    AGENTDIR: '/run/agent',
    TPL: '/run/tpl',
    H_D: dir,
    H_BASE: image.base,
    H_NODE: image.node,
    H_AGENT: image.agent,
    H_TPL: image.template,
    BIND: BIND_SCRIPT,
    DROP: drop,
  };
  const PATH = process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const logFd = openSync(log, 'w', 0o644);
  try {
    return spawn('bash', [...SHELL, script], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', logFd, 'ignore', 'pipe'],
      env: { PATH, SETUP: SETUP_SCRIPT, INNER, ...(IS_ROOT ? bound : host) },
    });
  } finally {
    closeSync(logFd);
  }
}

/** Resolves when the child has written this word. Throws if it ends, or writes nothing in time. */
function waitForWord(child: ChildProcess, pipe: Readable, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: Error) => {
      clearTimeout(timer);
      pipe.off('data', onData);
      child.off('exit', onExit);
      child.off('error', finish);
      if (error) reject(error);
      else resolve();
    };
    const onData = (chunk: Buffer) => {
      if (chunk.toString().includes(word)) finish();
    };
    const onExit = (code: number | null) => finish(new Error(`the sandbox ended while it booted (${code})`));
    const timer = setTimeout(() => finish(new Error(`the sandbox did not boot in time`)), BOOT_TIMEOUT_MS);
    pipe.on('data', onData);
    child.on('exit', onExit);
    child.on('error', finish);
  });
}
