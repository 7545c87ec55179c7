// Lets a test kill this process between an effect outside and its record here, as a crash would. Does nothing unless a
// test sets a folder: a process that passes a failpoint removes the file `<point>@<subject>` from that folder and
// kills itself by SIGKILL. The process that continues the work finds no file and passes.
import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

export type Failpoint =
  | 'webhook-signalled'
  | 'poll-answered'
  | 'work-signalled'
  | 'work-acked'
  | 'lease-opened'
  | 'events-signalled'
  | 'slot-wanted'
  | 'sandbox-acquired'
  | 'sandbox-created'
  | 'sandbox-resumed'
  | 'session-equipped'
  | 'call-handed'
  | 'call-finished'
  | 'result-posted'
  | 'memory-noted'
  | 'memory-pushed'
  | 'memory-pulled'
  | 'memory-deleted'
  | 'output-copied'
  | 'work-stopped'
  | 'session-inspected'
  | 'sandbox-paused'
  | 'sandbox-killed'
  | 'sessions-dismissed';

let folder: string | undefined;

/** @param path folder of the files `<point>@<subject>`; a file may hold a delay in milliseconds before the kill */
export function armFailpoints(path: string | undefined): void {
  folder = path;
}

/** Kills this process if a test asked for it. @param subject the session's id, or the id of its workflow */
export function failpoint(point: Failpoint, subject: string | undefined): void {
  if (folder === undefined) return;
  const file = join(folder, `${point}@${subject?.replace(/^session-/, '')}`);
  let delayMs: number;
  try {
    delayMs = Number(readFileSync(file, 'utf8'));
    unlinkSync(file);
  } catch {
    return;
  }
  const die = () => process.kill(process.pid, 'SIGKILL');
  if (delayMs > 0) setTimeout(die, delayMs);
  else die();
}
