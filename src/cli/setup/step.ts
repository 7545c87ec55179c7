import type { Run } from './run.ts';

/** One step of setup. A step may be repeated at any time: it finds what was done before. */
export interface Step {
  name: string;
  /** What `bring` would do; `undefined` if there is nothing to do. Changes nothing. */
  plan(run: Run): Promise<string | undefined>;
  /** Does what is missing. @returns what is now so, for the person; `undefined` says nothing */
  bring(run: Run): Promise<string | undefined>;
}
