// What each part of a world uses: CPU and memory of all processes below this one, from /proc.
import { readdirSync, readFileSync } from 'node:fs';

export const PARTS = [
  'worker',
  'webhook',
  'temporal',
  'postgres',
  'simulators',
  'sandboxes',
  'bench',
] as const;
export type Part = (typeof PARTS)[number];

export interface Usage {
  /** Seconds of CPU since the start of the processes, with children that have ended. */
  cpu: number;
  /** MiB */
  rss: number;
}

/** Linux counts CPU in hundredths of a second. */
const TICKS = 100;
const PAGE_KIB = 4;

interface Process {
  parent: number;
  command: string;
  usage: Usage;
}

/** @throws Error where there is no /proc: figures need Linux */
export function usageByPart(): Record<Part, Usage> {
  const processes = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    const found = /^\d+$/.test(name) ? read(name) : null;
    if (found) processes.set(Number(name), found);
  }
  const usage = Object.fromEntries(PARTS.map((part) => [part, { cpu: 0, rss: 0 }])) as Record<Part, Usage>;
  for (const [pid, process] of processes) {
    const part = partOf(pid, processes);
    if (!part) continue;
    usage[part].cpu += process.usage.cpu;
    usage[part].rss += process.usage.rss;
  }
  return usage;
}

/** Percent of one core that each part used between the two moments. */
export function cpuPercent(
  before: Record<Part, Usage>,
  after: Record<Part, Usage>,
  seconds: number,
): Record<Part, number> {
  const percent = (part: Part) => Math.round((100 * (after[part].cpu - before[part].cpu)) / seconds);
  return Object.fromEntries(PARTS.map((part) => [part, percent(part)])) as Record<Part, number>;
}

function read(pid: string): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of a program may contain spaces and brackets: fields are counted from its end.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) / TICKS;
    const rss = ((fields[21] ?? 0) * PAGE_KIB) / 1024;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { parent, command, usage: { cpu, rss } };
  } catch {
    // It has just ended.
    return null;
  }
}

/** The part that a process or the nearest of its parents belongs to; null for processes that are not below this one. */
function partOf(pid: number, processes: Map<number, Process>): Part | null {
  let part: Part | null = null;
  for (let id = pid; id !== process.pid; ) {
    const found = processes.get(id);
    if (!found) return null;
    part ??= named(found.command);
    id = found.parent;
  }
  return part ?? 'bench';
}

function named(command: string): Part | null {
  if (/src\/main\.ts worker|cached-sessions-worker/.test(command)) return 'worker';
  if (/src\/main\.ts webhook/.test(command)) return 'webhook';
  if (/simulators\/main\.ts/.test(command)) return 'simulators';
  if (/server start-dev|temporal\.yaml/.test(command)) return 'temporal';
  if (/postgres/.test(command)) return 'postgres';
  return /toolhost|sandbox-agent|\bunshare\b/.test(command) ? 'sandboxes' : null;
}
