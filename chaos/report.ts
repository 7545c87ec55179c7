// The report of a run: kills and faults, counters, and recovery times.
import { percentile } from '../bench/percentile.ts';
import type { Kill } from './kills.ts';
import type { Loss } from './recovery.ts';
import { type CallTally, COUNTERS, type Counter, type Finding } from './verify-session.ts';

export interface Report {
  seed: number;
  /** Duration of the whole run in milliseconds. */
  tookMs: number;
  sessions: number;
  turns: number;
  calls: CallTally & { planned: number };
  histories: number;
  /** Number of kills with a target, by kind. */
  kills: Record<string, number>;
  /** Number of injected faults, by kind. */
  faults: Record<string, number>;
  counters: Record<Counter, number>;
  findings: Finding[];
  recovery: RecoveryFigures;
}

export interface RecoveryFigures {
  /** Times from the kill of a worker to the next activity of a session that it was serving, in seconds. */
  samples: number;
  p50: number | null;
  p99: number | null;
  worst: number | null;
  /** Losses without a next activity: the session had nothing left to do. */
  withoutNext: number;
  /** The slowest recoveries, with the time of the kill (ISO 8601) and the interrupted activities. */
  slowest: { workflowId: string; killedAt: string; seconds: number | null; activities: string[] }[];
}

const SLOWEST = 10;

export function countersOf(findings: Finding[]): Record<Counter, number> {
  const counts = COUNTERS.map((name) => [name, findings.filter(({ counter }) => counter === name).length]);
  return Object.fromEntries(counts) as Record<Counter, number>;
}

export function killCounts(kills: Kill[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind, target } of kills) if (target) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

export function recoveryOf(losses: Loss[]): RecoveryFigures {
  const went = losses
    .flatMap((loss) =>
      loss.nextAt === null ? [] : [{ loss, seconds: (loss.nextAt - loss.killedAt) / 1000 }],
    )
    .sort((a, b) => b.seconds - a.seconds);
  const took = went.map(({ seconds }) => seconds);
  const at = (share: number) => round(percentile(took, share));
  return {
    samples: took.length,
    p50: at(0.5),
    p99: at(0.99),
    worst: at(1),
    withoutNext: losses.length - took.length,
    slowest: went.slice(0, SLOWEST).map(({ loss: { workflowId, killedAt, activities }, seconds }) => ({
      workflowId,
      killedAt: new Date(killedAt).toISOString(),
      seconds: round(seconds),
      activities: activities.map(({ name }) => name),
    })),
  };
}

function round(seconds: number): number | null {
  return Number.isNaN(seconds) ? null : Math.round(seconds * 10) / 10;
}

export function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

export function textOf(report: Report): string {
  const { calls, recovery } = report;
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(' · ');
  const width = Math.max(...COUNTERS.map((name) => name.length));
  return [
    `seed ${report.seed}: ${report.sessions} sessions, ${report.turns} turns, ${calls.planned} calls in ${Math.round(report.tookMs / 1000)} s`,
    `calls      done ${calls.done} · cut off with their sandbox, and said so ${calls.cutOff} · interrupted ${calls.interrupted} · output refused, and said so ${calls.refused}`,
    `with them  memories saved ${calls.memories} · skills found ${calls.skilled} · approvals ${calls.approved} · outputs copied ${calls.outputs}`,
    `hostile    sessions whose sandbox attacked the router, and whose turn ended ${calls.hostile}`,
    `kills      ${list(report.kills)}`,
    `faults     ${sum(report.faults)}: ${list(report.faults)}`,
    `recovery   worker killed → next activity: p50 ${recovery.p50 ?? '–'} s, p99 ${recovery.p99 ?? '–'} s, worst ${recovery.worst ?? '–'} s of ${recovery.samples}`,
    '',
    ...COUNTERS.map(
      (name) =>
        `${report.counters[name] ? 'NOT OK' : 'ok    '}  ${name.padEnd(width)}  ${report.counters[name]}`,
    ),
    ...report.findings.map(({ counter, sessionId, what }) => `  ${counter}: ${sessionId ?? ''} ${what}`),
  ].join('\n');
}
