// The log for people: one JSON line per event, never an input or an output, in a file of bounded size.
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 1024 * 1024;

export type Log = (event: string, fields?: Record<string, unknown>) => void;

/** A log into `file`; when it is full it becomes `file.1` and a new one begins. Never throws. */
export function openLog(file: string, maxBytes = MAX_BYTES): Log {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch {
    // Calls matter more than their log: every write below fails as quietly.
  }
  return (event, fields = {}) => {
    try {
      if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= maxBytes) renameSync(file, `${file}.1`);
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`);
    } catch {
      // See above.
    }
  };
}
