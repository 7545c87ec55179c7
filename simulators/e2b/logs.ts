/** Logs of the sandboxes, in memory; only the last entries are kept. */

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export interface LogEntry {
  timestamp: string;
  level: Level;
  message: string;
  fields: Record<string, string>;
}

export interface LogQuery {
  /** Epoch milliseconds: only entries from then on, or until then with `backward`. */
  cursor?: number | undefined;
  backward?: boolean;
  level?: Level | undefined;
  search?: string | undefined;
  limit: number;
}

const MAX_ENTRIES = 1_000;
const MAX_SANDBOXES = 1_000;

export class SandboxLogs {
  readonly #entries = new Map<string, LogEntry[]>();

  add(id: string, level: Level, message: string, fields: Record<string, string> = {}): void {
    const entries = this.#entries.get(id) ?? [];
    this.#entries.set(id, entries);
    if (entries.push({ timestamp: new Date().toISOString(), level, message, fields }) > MAX_ENTRIES)
      entries.shift();
    if (this.#entries.size <= MAX_SANDBOXES) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Returns undefined for a sandbox without a log. */
  read(id: string, { cursor, backward = false, level, search, limit }: LogQuery): LogEntry[] | undefined {
    const least = LEVELS.indexOf(level ?? 'debug');
    const matching = this.#entries
      .get(id)
      ?.filter((entry) => LEVELS.indexOf(entry.level) >= least)
      .filter(({ message }) => search === undefined || message.includes(search))
      .filter(({ timestamp }) => {
        if (cursor === undefined) return true;
        return backward ? Date.parse(timestamp) <= cursor : Date.parse(timestamp) >= cursor;
      });
    if (backward) matching?.reverse();
    return matching?.slice(0, limit);
  }
}
