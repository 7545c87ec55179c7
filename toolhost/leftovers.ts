// Processes that outlived the toolhost, or the cancelled call, that started them: found by a mark in their environment.
import { readdirSync, readFileSync } from 'node:fs';

/** Names, in the environment of every process that a tool starts, the boot of the toolhost it belongs to. */
export const BOOT_VARIABLE = 'TOOLHOST_BOOT';
/** Names, in the environment of every process that a session's shell starts, the session. */
export const SESSION_VARIABLE = 'TOOLHOST_SESSION';

/** Whose processes are meant. */
export interface Leftovers {
  /** Those of one boot of the toolhost; of all if not given. */
  bootId?: string;
  /** Empty: those of no session. */
  session: string;
  /** Epoch ms: only those that began then or later. */
  since?: number;
}

/** New processes may appear while others are killed; so often do we look again. */
const ROUNDS = 5;

/** The kernel counts in these; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Kills every process that a session's shell started; returns how many. */
export function killLeftovers(whose: Leftovers): number {
  let killed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && belongsTo(pid, whose));
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
        killed += 1;
      } catch {
        // Gone by itself.
      }
    }
  }
  return killed;
}

function belongsTo(pid: string, { bootId, session, since = 0 }: Leftovers): boolean {
  try {
    if (since > 0 && beganAt(pid) < since) return false;
    // Of a process that has ended and waits for its parent this reads as empty.
    const marks = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const marked = (name: string) =>
      marks.find((mark) => mark.startsWith(`${name}=`))?.slice(name.length + 1);
    const boot = marked(BOOT_VARIABLE);
    if (boot === undefined || (bootId !== undefined && boot !== bootId)) return false;
    return (marked(SESSION_VARIABLE) ?? '') === session;
  } catch {
    return false;
  }
}

/** Epoch ms, to a hundredth of a second. */
function beganAt(pid: string): number {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  // The name, in parentheses, may hold anything; the start is field 22.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const seconds = Number(fields[19]) / TICKS_PER_SECOND;
  return Date.now() - (Number(uptime) - seconds) * 1000;
}
