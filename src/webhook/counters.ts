// Counts deliveries and refusals since the start of the process; /health shows them.

export interface Counters {
  /** Counts a verified delivery. */
  add(type: string, outcome: string): void;
  /** Counts a refused request. */
  refuse(code: string): void;
  /** Deliveries by type and outcome, refusals by code. */
  all(): { deliveries: Record<string, Record<string, number>>; refused: Record<string, number> };
}

/** The number of keys stays small: types come from verified deliveries, and codes from our own code. */
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
