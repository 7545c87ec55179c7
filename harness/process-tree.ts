// Processes of Linux and their children.
import { readFileSync } from 'node:fs';

export interface RunningProcess {
  pid: number;
  /** The program and its arguments. */
  args: string[];
}

/** The process and everything below it, parents first: a parent that is stopped first does not see its children stop. */
export function processesBelow(pid: number): RunningProcess[] {
  let args: string[];
  let children: string;
  try {
    args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  } catch {
    // It has just ended.
    return [];
  }
  const below = children === '' ? [] : children.split(' ').flatMap((child) => processesBelow(Number(child)));
  return [{ pid, args }, ...below];
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}
