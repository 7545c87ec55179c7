// The progress of a copy of outputs, carried in the heartbeats of its activity.
import { excerpt } from '../../src/clients/excerpt.ts';
import { MOST_PROBLEMS } from '../../workflows/contract.ts';

export interface Progress {
  /** All names up to this one are done; the next attempt goes on after it. */
  after: string;
  files: number;
  bytes: number;
  problems: string[];
  /** Attempts that the sandbox spoiled, and those of them in which it answered what cannot be used. */
  failures: number;
  unusable: number;
}

const NOTHING: Progress = { after: '', files: 0, bytes: 0, problems: [], failures: 0, unusable: 0 };

export function recordProblem(progress: Progress, what: string): void {
  const line = excerpt(what, 300);
  // A later attempt meets the same problems again.
  if (progress.problems.length < MOST_PROBLEMS && !progress.problems.includes(line))
    progress.problems.push(line);
}

export function progressOf(details: unknown): Progress {
  const said = details as Partial<Progress> | null | undefined;
  const whole =
    typeof said?.after === 'string' &&
    typeof said.files === 'number' &&
    typeof said.bytes === 'number' &&
    Array.isArray(said.problems);
  return { ...NOTHING, problems: [], ...(whole ? structuredClone(said) : {}) };
}
