// A measurement at several sizes: each size gives a row of the table.
import type { WorldOptions } from '../../harness/world.ts';

/** Column, with its unit, to value. */
export type Row = Record<string, number>;

export interface Setup {
  /** Tiny amounts: shows that the measurement works, not how fast anything is. */
  quick: boolean;
  /** Worker processes; measurements of one worker ignore it. */
  workers: number;
  /** A new namespace on a running server; starts a dev server if there is none. */
  temporal(): Promise<Pick<WorldOptions, 'temporal'>>;
  /** Folder for state and logs of one world; the caller deletes it. */
  folder(): string;
  log(line: string): void;
}

export interface Curve {
  /** One line for the help. */
  summary: string;
  /** What the sizes count. */
  of: string;
  sizes: readonly number[];
  quickSizes: readonly number[];
  /** Measures the sizes in their order. @throws Error if something does not happen in time */
  measure(sizes: readonly number[], setup: Setup): AsyncIterable<Row>;
}
