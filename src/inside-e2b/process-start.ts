// When a process was started, from Linux. Pid and start time together identify a process until the next boot.
import { readFileSync } from 'node:fs';

/** Text of `/proc/self/stat`; empty on a system without it. */
export function readProcess(): string {
  try {
    return readFileSync('/proc/self/stat', 'utf8');
  } catch {
    return '';
  }
}

/**
 * @param stat text of `/proc/<pid>/stat`
 * @returns clock ticks since the boot; undefined if the process has ended, also if its parent has not noticed yet
 */
export function startTicks(stat: string): string | undefined {
  // The name before it may hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' ? undefined : ticks;
}
