// Adds up the figures of sessions and sandboxes. Unknown stays unknown: a sum with unknown parts is "at least". Pure.
export const MEASURES = [
  'turns',
  'calls',
  'sandboxSeconds',
  'sandboxCost',
  'outputsBytes',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'listCostUsd',
] as const;
export type Measure = (typeof MEASURES)[number];

export const GROUPS = ['session', 'agent', 'environment'] as const;
export type Group = (typeof GROUPS)[number];

/** Figures to add: null where nothing is known; absent where there is nothing to add. */
export type Figures = { [M in Measure]?: number | null } & { atLeast?: Measure[] };

export interface Row extends Record<Measure, number | null> {
  /** Id of the session, agent or environment; empty where it is not known. */
  id: string;
  sessions: number;
  /** Of `sessions`; null where Temporal does not know one of them. */
  running: number | null;
  /** Measures of which only a part is known. */
  atLeast: Measure[];
}

const NOTHING: Readonly<Record<Measure, null>> = Object.fromEntries(
  MEASURES.map((name) => [name, null]),
) as Record<Measure, null>;

export class Rows {
  readonly #rows = new Map<string, { row: Row; known: Set<Measure>; unknown: Set<Measure> }>();

  /**
   * @param id what the figures are added to
   * @param sessions how many more sessions that are, and whether they run; `running` is null where it is unknown
   */
  add(id: string, figures: Figures, sessions = 0, running: boolean | null = false): void {
    const entry = this.#rows.get(id) ?? {
      row: { id, sessions: 0, running: 0, ...NOTHING, atLeast: [] },
      known: new Set<Measure>(),
      unknown: new Set<Measure>(),
    };
    this.#rows.set(id, entry);
    const { row } = entry;
    row.sessions += sessions;
    row.running = running === null || row.running === null ? null : row.running + (running ? sessions : 0);
    for (const measure of MEASURES) {
      const value = figures[measure];
      if (value === undefined) continue;
      if (value === null || figures.atLeast?.includes(measure)) entry.unknown.add(measure);
      if (value === null) continue;
      entry.known.add(measure);
      row[measure] = (row[measure] ?? 0) + value;
    }
  }

  /** Most sandbox seconds first. */
  all(): Row[] {
    return [...this.#rows.values()]
      .map(({ row, known, unknown }) => ({
        ...row,
        atLeast: MEASURES.filter((measure) => known.has(measure) && unknown.has(measure)),
      }))
      .sort(
        (a, b) =>
          (b.sandboxSeconds ?? -1) - (a.sandboxSeconds ?? -1) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
      );
  }
}
