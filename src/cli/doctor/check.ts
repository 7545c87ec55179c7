// What a check is, and how all of them run side by side, each within a time limit.

export type Verdict = 'ok' | 'warning' | 'problem' | 'not checked';

/** What a check has found. */
export interface Finding {
  verdict: Verdict;
  /** What is the case; for `not checked`, why. */
  text: string;
  /** What to do about it: a setting or a command. */
  cure?: string;
}

export interface Check {
  /** `Temporal`, `E2B`, … */
  area: string;
  /** What is checked, in a few words. */
  name: string;
  /**
   * Finds out, without changing anything anywhere.
   * @param signal aborted at the time limit
   * @throws NotChecked; any other error is reported as a problem
   */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}

export type CheckResult = Pick<Check, 'area' | 'name'> & Finding;

/** Ends a check that depends on something that is missing. */
export class NotChecked extends Error {
  override name = 'NotChecked';
}

/** Milliseconds that one check may take. */
export const CHECK_LIMIT_MS = 10_000;
/** Milliseconds for what other checks build on, so that they can still say why they were not made. */
export const CONNECT_LIMIT_MS = 5_000;

export const ok = (text: string): Finding => ({ verdict: 'ok', text });
export const warning = (text: string, cure: string): Finding => ({ verdict: 'warning', text, cure });
export const problem = (text: string, cure: string): Finding => ({ verdict: 'problem', text, cure });

/** Runs all checks at once. Never rejects. @returns the results in the order of the checks */
export function runChecks(checks: readonly Check[], limitMs = CHECK_LIMIT_MS): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async (check) => ({
      area: check.area,
      name: check.name,
      ...(await runCheck(check, limitMs)),
    })),
  );
}

async function runCheck(check: Check, limitMs: number): Promise<Finding> {
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      resolve({ verdict: 'problem', text: `no answer within ${limitMs / 1000} s` });
      end.abort();
    }, limitMs);
  });
  try {
    return await Promise.race([Promise.resolve(check.run(end.signal)), late]);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { verdict: error instanceof NotChecked ? 'not checked' : 'problem', text };
  } finally {
    clearTimeout(timer);
  }
}

/** The same promise at every call, so that several checks share one request. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => {
    started ??= work();
    return started;
  };
}
