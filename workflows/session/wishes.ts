// What a session's state holds of the updates of people.
import type { Answered } from '../answered-updates.ts';
import type { UpdateAnswer } from '../updates.ts';

export type Wished = 'interrupt' | 'replace' | 'repost';

/** Accepted and not done yet. */
export interface Wish {
  by: string;
  /** Epoch ms. */
  since: number;
  /** Of a new sandbox: also while a call runs in the old one. */
  force?: boolean;
  /** Of a new sandbox: the outputs in the old one are copied. */
  copied?: boolean;
  /** Set when it is done. */
  answer?: UpdateAnswer;
}

export interface RefusedCall {
  id: string;
  name: string;
  preview: string;
  threadId?: string;
}

export interface Operated extends Answered {
  /** A person paused the session: no sandbox runs until a person resumes it. `at`: epoch ms. */
  paused?: { by: string; at: number };
  wishes?: Partial<Record<Wished, Wish>>;
  /** Calls whose results the service has refused, or could not get; oldest first. */
  refused?: RefusedCall[];
}
