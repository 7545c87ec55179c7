// Processes that outlived the toolhost that started them: found by a mark in their environment.
import { readdirSync, readFileSync } from 'node:fs';

/** Names, in the environment of every process that a tool starts, the boot of the toolhost it belongs to. */
export const BOOT_VARIABLE = 'TOOLHOST_BOOT';

/** New processes may appear while others are killed; so often do we look again. */
const ROUNDS = 5;

/** Kills every process of an earlier boot; returns how many. */
export function killLeftovers(bootId: string): number {
  let killed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && belongsTo(pid, bootId));
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

function belongsTo(pid: string, bootId: string): boolean {
  try {
    // Of a process that has ended and waits for its parent this reads as empty.
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${BOOT_VARIABLE}=${bootId}`);
  } catch {
    return false;
  }
}
