// Processes that outlived the toolhost, or the cancelled call, that started them: found by a mark in their environment.
import { readdirSync, readFileSync } from 'node:fs';

/** Names, in the environment of every process that a tool starts, the boot of the toolhost it belongs to. */
export const BOOT_VARIABLE = 'TOOLHOST_BOOT';

/** New processes may appear while others are killed; so often do we look again. */
const ROUNDS = 5;

/** The kernel counts in these; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * Kills every process that a boot of the toolhost started; returns how many.
 * @param since epoch ms: only those that began then or later
 */
export function killLeftovers(bootId: string, since = 0): number {
  let killed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && belongsTo(pid, bootId, since));
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

function belongsTo(pid: string, bootId: string, since: number): boolean {
  try {
    if (since > 0 && beganAt(pid) < since) return false;
    // Of a process that has ended and waits for its parent this reads as empty.
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${BOOT_VARIABLE}=${bootId}`);
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
