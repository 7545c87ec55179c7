// The toolhost's log for people: one JSON line for each event, without inputs and outputs, in a file of limited size.
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 1024 * 1024;

export type Log = (event: string, fields?: Record<string, unknown>) => void;

/** Opens a log. A full file is renamed to `<file>.1`, and a new one begins. Neither opening nor writing ever throws. */
export function openLog(file: string, maxBytes = MAX_BYTES): Log {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch {
    // Calls matter more than their log, so a log that cannot be written is ignored.
  }
  return (event, fields = {}) => {
    try {
      if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= maxBytes) renameSync(file, `${file}.1`);
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`);
    } catch {
      // Ignored, as above.
    }
  };
}
