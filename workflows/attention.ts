// What needs a person's attention, by cause: each note stays until the event that ends its cause. Pure.

export interface Attentive {
  attention: Partial<Record<Cause, Note>>;
}

export interface Note {
  what: string;
  /** Epoch ms at which the cause began. */
  since: number;
}

/** One entry of a status. */
export interface NeedsAttention {
  cause: Cause;
  what: string;
  /** RFC 3339. */
  since: string;
}

const TEXT_CHARS = 500;

/** What a step that failed for good means to a person; the reason follows. */
const FAILED = {
  look: 'The session could not be read; it is read again later',
  claim: 'No work could be claimed for this session; the queue watch offers it again',
  prepare: 'No sandbox could be started; open calls were answered with this error',
  check: 'The session, in which people have to act, could not be checked; its events are watched again',
  watch: 'The watch over this session failed; it begins again with the next work item',
  sync: 'Memory could not be synced',
  run: 'A tool call could not be run; it was answered with this error',
  cancel: 'A tool call could not be cancelled; its command may go on until its time limit',
  post: 'The result of a tool call could not be posted; interrupt the session if its turn does not end',
  interrupt: 'The session could not be interrupted',
  rest: 'The session could not be put to rest after its turn',
  pause: 'The sandbox could not be paused; it runs until its time-out',
  stop: 'The work item could not be let go; it lapses with its lease',
  kill: 'The sandbox could not be killed; the reconcile kills it',
  end: 'The session could not be ended in order; the reconcile ends what is left of it',
  dismiss: 'What ended sessions have left running could not be ended',
};

/** A step of a workflow that can fail. */
export type FailedStep = keyof typeof FAILED;
const OTHER_CAUSES = ['stuck', 'hook', 'result', 'messages', 'skills', 'memory', 'outputs'] as const;
/** Fixed words: people search sessions by them, and alerts name them. */
export type Cause = FailedStep | (typeof OTHER_CAUSES)[number];
export const CAUSES: readonly Cause[] = [...(Object.keys(FAILED) as FailedStep[]), ...OTHER_CAUSES];

/** A cause that goes on keeps its beginning and gets the newest words. */
export function raise({ attention }: Attentive, cause: Cause, what: string, now: number): void {
  const text = what.length > TEXT_CHARS ? `${what.slice(0, TEXT_CHARS - 1)}…` : what;
  attention[cause] = { what: text, since: attention[cause]?.since ?? now };
}

/**
 * A step failed, and no retry can mend it.
 * @param about the call or the sandbox that it was about, if any
 */
export function raiseFailure(
  state: Attentive,
  step: FailedStep,
  reason: string,
  now: number,
  about?: string | null,
): void {
  raise(state, step, `${FAILED[step]}${about ? ` (${about})` : ''}: ${reason}`, now);
}

/** The causes are over. */
export function settle({ attention }: Attentive, ...causes: Cause[]): void {
  for (const cause of causes) delete attention[cause];
}

/** Notes about a turn end with the turn. */
export function settleTurn(state: Attentive): void {
  settle(state, 'result', 'messages', 'run', 'post', 'cancel', 'interrupt');
}

/** Raises the cause while there is something to say, else settles it. */
export function raiseIf(state: Attentive, cause: Cause, what: string | undefined, now: number): void {
  if (what) raise(state, cause, what, now);
  else settle(state, cause);
}

/** What became of the outputs that were to be copied. */
export function recordCopied(
  state: Attentive,
  copied: { outcome: 'sandbox lost' } | { outcome: 'copied'; problems: string[] },
  now: number,
): void {
  const problems = copied.outcome === 'copied' ? copied.problems : ['the sandbox no longer exists'];
  raiseIf(
    state,
    'outputs',
    problems.length > 0 ? `Outputs not copied: ${problems.join('; ')}` : undefined,
    now,
  );
}

/** Oldest first. */
export function needsAttention({ attention }: Attentive): NeedsAttention[] {
  return (Object.entries(attention) as [Cause, Note][])
    .sort(([, one], [, other]) => one.since - other.since)
    .map(([cause, { what, since }]) => ({ cause, what, since: new Date(since).toISOString() }));
}

/** In the order of the alphabet. */
export function causesOf({ attention }: Attentive): string[] {
  return Object.keys(attention).sort();
}

/** As lines of markdown. */
export function attentionLines(state: Attentive): string[] {
  const notes = needsAttention(state).map(({ what, since }) => `**Attention** since ${since}: ${what}`);
  return notes.flatMap((note) => ['', note]);
}
