// Places between "done outside" and "recorded here" where a test lets this process die, as a crash would. Inert
// unless a test has named a folder: then a process that comes by a point for whose subject a file lies there takes
// the file away and dies by SIGKILL, once; whoever carries on finds no file.
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
  | 'sandbox-paused'
  | 'sandbox-killed'
  | 'sessions-dismissed';

let folder: string | undefined;

/** @param path folder of the files `<point>@<subject>`; each may hold the milliseconds to live on before the end */
export function armFailpoints(path: string | undefined): void {
  folder = path;
}

/** @param subject what the point is passed for: the id of a session, or of its workflow */
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
