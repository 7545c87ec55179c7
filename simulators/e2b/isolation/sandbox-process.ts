/** The first process of a sandbox on the host, with enough data to recognise a reused process id. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Plain JSON, so that a later simulator process can take over. */
export interface SandboxProcess {
  /** Host id of the sandbox's pid 1. */
  pid: number;
  /** Start time in clock ticks since the host booted. */
  startTime: string;
  hostBootId: string;
  pidNamespace: string;
}

interface Stat {
  state: string;
  startTime: string;
}

/** Throws if the process does not exist. */
export async function identify(pid: number): Promise<SandboxProcess> {
  const { startTime } = readStat(pid) ?? fail(pid);
  return { pid, startTime, hostBootId: hostBootId(), pidNamespace: readlinkSync(`/proc/${pid}/ns/pid`) };
}

/** Whether it still exists, running or frozen. */
export function isAlive({ pid, startTime, hostBootId: boot }: SandboxProcess): boolean {
  if (boot !== hostBootId()) return false;
  const stat = readStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Kills the first process, and thereby all processes of the sandbox. Resolves when it has ended. */
export async function killProcess(target: SandboxProcess): Promise<void> {
  while (isAlive(target)) {
    signalQuietly(target.pid, 'SIGKILL');
    await sleep(2);
  }
}

/** Stops or continues all processes of the sandbox by signals, on hosts without control groups. */
export async function signalFrozen(target: SandboxProcess, frozen: boolean): Promise<void> {
  for (;;) {
    const pids = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const pending = pids.filter((pid) => {
      const state = inNamespace(pid, target.pidNamespace) ? readStat(pid)?.state : undefined;
      if (!state || state === 'Z') return false;
      return frozen ? !/[Tt]/.test(state) : /[Tt]/.test(state);
    });
    if (pending.length === 0) return;
    for (const pid of pending) signalQuietly(pid, frozen ? 'SIGSTOP' : 'SIGCONT');
    await sleep(1);
  }
}

function inNamespace(pid: number, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
  } catch {
    return false;
  }
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The process name, in parentheses, may contain any character: read the fields after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', startTime: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function hostBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended already.
  }
}

function fail(pid: number): never {
  throw new Error(`the sandbox's process ${pid} ended right after it had booted`);
}
