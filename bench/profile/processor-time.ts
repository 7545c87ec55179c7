// Processor time of the programs that take part in a call, from Linux.
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of a second in /proc/PID/stat. */
const TICKS = 100;

/** By what its command line holds; the first that fits. */
const PROGRAMS: [name: string, part: RegExp][] = [
  ['worker', /src\/main\.ts worker/],
  ['webhook server', /src\/main\.ts webhook/],
  ['simulator of Managed Agents', /simulators\/main\.ts.*--only anthropic/],
  ['simulator of E2B', /simulators\/main\.ts.*--only e2b/],
  ['sandbox: envd', /agent\.mjs/],
  ['sandbox: toolhost', /toolhost/],
  ['this program', /bench\/main\.ts/],
  ['PostgreSQL', /^postgres|\/postgres /],
  ['Temporal server', /temporal/],
];

/** Milliseconds of processor time by program, with the commands that it has run and waited for. */
export function processorTimes(): Map<string, number> {
  const times = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const name = PROGRAMS.find(([, part]) => part.test(line))?.[0];
      if (!name) continue;
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      times.set(name, (times.get(name) ?? 0) + (ticks * 1000) / TICKS);
    } catch {
      // It has just ended.
    }
  }
  return times;
}
