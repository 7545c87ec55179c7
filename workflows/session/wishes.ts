// What a session's state holds of the updates of people.
import type { UpdateAnswer } from '../updates.ts';

export type Wished = 'interrupt' | 'replace' | 'repost';

/** Accepted and not done yet. */
export interface Wish {
  by: string;
  /** Epoch ms. */
  since: number;
  /** Of a new sandbox: also while a call runs in the old one. */
  force?: boolean;
  /** Set when it is done. */
  answer?: UpdateAnswer;
}

export interface UpdateDone {
  id: string;
  name: string;
  by: string;
  /** Epoch ms. */
  at: number;
  answer: UpdateAnswer;
}

export interface RefusedCall {
  id: string;
  name: string;
  preview: string;
  threadId?: string;
}

export interface Operated {
  /** A person paused the session: no sandbox runs until a person resumes it. `at`: epoch ms. */
  paused?: { by: string; at: number };
  wishes?: Partial<Record<Wished, Wish>>;
  /** The last updates, oldest first. */
  updates?: UpdateDone[];
  /** Calls whose results the service has refused, or could not get; oldest first. */
  refused?: RefusedCall[];
}
