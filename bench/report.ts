// The benchmark's table: how ours compares with each of the others, then the times of each.
import Table from 'cli-table3';
import type { MachineLoad } from './machine.ts';
import type { Row } from './measure.ts';
import { percentile } from './percentile.ts';

export interface Figures {
  what: string;
  /** Median of ours divided by the median of the other; missing where one has no such thing. */
  ratios: Record<string, number>;
  /** Milliseconds. */
  times: Record<string, { median: number; p95: number; samples: number[] }>;
}

/** @param names of the contestants, ours first */
export function figuresOf(rows: Row[], [ours = '', ...others]: string[]): Figures[] {
  return rows.map(({ what, samples }) => {
    const times = Object.fromEntries(
      Object.entries(samples).map(([name, ms]) => [
        name,
        { median: percentile(ms, 0.5), p95: percentile(ms, 0.95), samples: ms },
      ]),
    );
    const own = times[ours]?.median ?? Number.NaN;
    const ratios = others.flatMap((name) => {
      const other = times[name];
      return other ? [[name, own / other.median] as const] : [];
    });
    return { what, ratios: Object.fromEntries(ratios), times };
  });
}

export function tableOf(figures: Figures[], names: string[], load: MachineLoad): string {
  const [ours = '', ...others] = names;
  const table = new Table({
    head: ['', ...others.map((name) => `${ours} / ${name}`), ...names],
    colAligns: ['left', ...Array(others.length + names.length).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  for (const { what, ratios, times } of figures) {
    table.push([
      what,
      ...others.map((name) => ratios[name]?.toFixed(2) ?? '–'),
      ...names.map((name) => shown(times[name])),
    ]);
  }
  const { processors, model, loadBefore, loadAfter, busy } = load;
  return [
    table.toString(),
    'Milliseconds: median, and p95 in brackets. From the session’s running to a result, or from a call to its result.',
    `${processors} processors (${model}), busy for ${(busy * 100).toFixed(0)} % of the run; load ${loadBefore.toFixed(1)} before, ` +
      `${loadAfter.toFixed(1)} at the end.`,
  ].join('\n');
}

function shown(time: { median: number; p95: number; samples: number[] } | undefined): string {
  if (!time) return '–';
  const [median, p95] = [time.median, time.p95].map((ms) => (ms < 100 ? ms.toFixed(1) : ms.toFixed(0)));
  return time.samples.length === 1 ? `${median}` : `${median} (${p95})`;
}
