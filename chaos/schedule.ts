// Plans the kills and restarts of a run from the seed.
import { Random, seedOf } from './random.ts';

export type KillKind =
  | 'kill worker'
  | 'kill webhook server'
  | 'restart Temporal'
  | 'restart simulator anthropic'
  | 'restart simulator e2b'
  | 'kill toolhost'
  | 'restart sandbox'
  | 'kill sandbox';

export interface PlannedKill {
  atMs: number;
  kind: KillKind;
  /** In [0, 1): selects one of the targets that exist at that time. */
  choice: number;
}

/** Mean milliseconds between two kills of the same kind. */
const EVERY_MS: Partial<Record<KillKind, number>> = {
  'kill worker': 9_000,
  'kill webhook server': 9_000,
  'kill toolhost': 12_000,
  'restart sandbox': 20_000,
  'kill sandbox': 20_000,
};

/** When single kills happen, as a share of the run's duration, shifted at random by up to 4 %. */
const ONCE_AT: [KillKind, number][] = [
  ['restart Temporal', 0.25],
  ['restart simulator e2b', 0.45],
  ['restart Temporal', 0.65],
  ['restart simulator anthropic', 0.85],
];

/** @param durationMs time span of the kills */
export function planKills(seed: number, durationMs: number): PlannedKill[] {
  const kills: PlannedKill[] = [];
  for (const [kind, every] of Object.entries(EVERY_MS) as [KillKind, number][]) {
    const random = new Random(seedOf(seed, kind));
    const wait = () => every * (0.5 + random.next());
    for (let atMs = wait(); atMs < durationMs; atMs += wait())
      kills.push({ atMs, kind, choice: random.next() });
  }
  const random = new Random(seedOf(seed, 'once'));
  for (const [kind, share] of ONCE_AT) {
    const atMs = durationMs * (share + (random.next() - 0.5) * 0.08);
    kills.push({ atMs, kind, choice: random.next() });
  }
  return kills.sort((a, b) => a.atMs - b.atMs);
}
