// Counts since the start of the process, as /health shows them.

export interface Counters {
  add(type: string, outcome: string): void;
  refuse(code: string): void;
  all(): { deliveries: Record<string, Record<string, number>>; refused: Record<string, number> };
}

/** Counts since the start. Types come from verified deliveries and codes from this file, so both are few. */
export function createCounters(): Counters {
  const deliveries = new Map<string, Map<string, number>>();
  const refused = new Map<string, number>();
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  return {
    add(type, outcome) {
      if (!deliveries.has(type)) deliveries.set(type, new Map());
      count(deliveries.get(type) as Map<string, number>, outcome);
    },
    refuse: (code) => void count(refused, code),
    all: () => ({
      deliveries: Object.fromEntries([...deliveries].map(([type, map]) => [type, Object.fromEntries(map)])),
      refused: Object.fromEntries(refused),
    }),
  };
}
