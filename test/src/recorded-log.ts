// A logger whose lines a test can read back.
import { pino } from 'pino';
import type { Logger } from '../../src/log.ts';

export function recordedLog(): { log: Logger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void written.push(line) });
  return { log, lines: () => written.map((line) => JSON.parse(line)) };
}
