// Arithmetic on counts by name.

export type Tally = Record<string, number>;

/** @returns what has come since `before`, without what stayed the same */
export function since(before: Tally, now: Tally): Tally {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changes = [...names].map((name) => [name, (now[name] ?? 0) - (before[name] ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

export function times(tally: Tally, factor: number): Tally {
  return Object.fromEntries(Object.entries(tally).map(([name, count]) => [name, count * factor]));
}

/** `of` of all counts whose name the pattern matches. */
export function total(tally: Tally, pattern = /./): number {
  return Object.entries(tally).reduce((sum, [name, count]) => (pattern.test(name) ? sum + count : sum), 0);
}
