// A step of a workflow's loop that is repeated without progress waits before each repetition, longer every time. Pure.
// This protects every step, whatever its activity answers; what a failure means is decided where the step is.

/** A loop whose steps are paced. */
export interface Paced {
  /** The steps that were taken, by name. */
  steps?: Record<string, Repeats>;
}

export interface Repeats {
  /** What had been achieved when the step was last taken. */
  progress: string;
  /** How often it was taken since without progress. */
  tries: number;
  /** Epoch ms before which it is not taken again while nothing has been achieved. */
  notBefore: number;
}

/** Recovering a lost sandbox or lease takes two or three quick repetitions, for which a turn must not wait. */
const WITHOUT_PAUSE = 4;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** A step that comes up again after this long is not a repetition: something new has caused it. */
const AFRESH_AFTER_MS = 60_000;

export class Pace {
  readonly #paced: Paced;
  readonly #progressOf: () => string;

  /** @param progressOf differs as soon as something was achieved */
  constructor(paced: Paced, progressOf: () => string) {
    this.#paced = paced;
    this.#progressOf = progressOf;
  }

  /** The step is being taken. */
  record(step: string, now: number): void {
    const progress = this.#progressOf();
    this.#paced.steps ??= {};
    const last = this.#paced.steps[step];
    const repeated = last?.progress === progress && now - last.notBefore < AFRESH_AFTER_MS;
    const tries = repeated ? last.tries + 1 : 1;
    this.#paced.steps[step] = { progress, tries, notBefore: now + pauseAfter(tries) };
  }

  may(step: string, now: number): boolean {
    return now >= this.#notBefore(step);
  }

  /** Epoch ms at which the next pause of any step is over; null where none is under way. */
  nextPauseEnds(now: number): number | null {
    const ends = Object.keys(this.#paced.steps ?? {}).map((step) => this.#notBefore(step));
    const next = Math.min(...ends.filter((end) => end > now));
    return Number.isFinite(next) ? next : null;
  }

  #notBefore(step: string): number {
    const last = this.#paced.steps?.[step];
    return last?.progress === this.#progressOf() ? last.notBefore : 0;
  }
}

/** The earlier of two moments; null: never. */
export function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

function pauseAfter(tries: number): number {
  if (tries < WITHOUT_PAUSE) return 0;
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - WITHOUT_PAUSE));
}
