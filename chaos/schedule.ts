// When what dies, decided from the seed.
import { Random, seedOf } from './random.ts';

export type Blow =
  | 'kill worker'
  | 'kill webhook server'
  | 'restart Temporal'
  | 'restart simulator anthropic'
  | 'restart simulator e2b'
  | 'kill toolhost'
  | 'restart sandbox'
  | 'kill sandbox';

export interface PlannedBlow {
  atMs: number;
  blow: Blow;
  /** In [0, 1): which of those that are there then. */
  lot: number;
}

/** Mean milliseconds between two of a kind. */
const EVERY_MS: Partial<Record<Blow, number>> = {
  'kill worker': 9_000,
  'kill webhook server': 9_000,
  'kill toolhost': 12_000,
  'restart sandbox': 20_000,
  'kill sandbox': 20_000,
};

/** Shares of the run after which it happens, each moved by up to 4 % of the run. */
const ONCE_AT: [Blow, number][] = [
  ['restart Temporal', 0.25],
  ['restart simulator e2b', 0.45],
  ['restart Temporal', 0.65],
  ['restart simulator anthropic', 0.85],
];

/** @param durationMs blows fall until then */
export function planBlows(seed: number, durationMs: number): PlannedBlow[] {
  const blows: PlannedBlow[] = [];
  for (const [blow, every] of Object.entries(EVERY_MS) as [Blow, number][]) {
    const random = new Random(seedOf(seed, blow));
    const wait = () => every * (0.5 + random.next());
    for (let atMs = wait(); atMs < durationMs; atMs += wait()) blows.push({ atMs, blow, lot: random.next() });
  }
  const random = new Random(seedOf(seed, 'once'));
  for (const [blow, share] of ONCE_AT) {
    const atMs = durationMs * (share + (random.next() - 0.5) * 0.08);
    blows.push({ atMs, blow, lot: random.next() });
  }
  return blows.sort((a, b) => a.atMs - b.atMs);
}
