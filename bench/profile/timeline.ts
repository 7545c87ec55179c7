// The steps of a call: what happens when after its beginning, as the median over many calls.
import Table from 'cli-table3';
import { percentile } from '../percentile.ts';
import type { Mark } from './marks.ts';

export interface Span {
  /** Epoch ms. */
  from: number;
  to: number;
}

export interface Step {
  what: string;
  /** Milliseconds since the beginning. */
  median: number;
  p95: number;
}

/** What did not happen in at least this share of the calls is left out. */
const USUAL = 0.5;

/** @param spans of the calls, none of which overlaps another */
export function stepsOf(marks: Mark[], spans: Span[]): Step[] {
  const offsets = new Map<string, number[]>();
  for (const { from, to } of spans) {
    const times = new Map<string, number>();
    for (const { at, what } of marks.filter((mark) => mark.at >= from && mark.at < to).sort(byTime)) {
      const before = times.get(what) ?? 0;
      times.set(what, before + 1);
      const name = before === 0 ? what : `${what} (${before + 1})`;
      offsets.set(name, [...(offsets.get(name) ?? []), at - from]);
    }
  }
  return [...offsets]
    .filter(([, all]) => all.length >= spans.length * USUAL)
    .map(([what, all]) => ({ what, median: percentile(all, 0.5), p95: percentile(all, 0.95) }))
    .sort((a, b) => a.median - b.median);
}

export function timelineTable(title: string, steps: Step[]): string {
  const table = new Table({
    head: [title, 'median', 'p95'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { what, median, p95 } of steps) table.push([what, median.toFixed(1), p95.toFixed(1)]);
  return table.toString();
}

const byTime = (a: Mark, b: Mark) => a.at - b.at;
