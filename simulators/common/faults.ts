/** Faults that a simulator injects: rules that are matched against its requests and webhook deliveries. */

export const FAULT_KINDS = [
  'latency', // wait, then carry the request out
  'status', // answer with `status` without carrying the request out
  'commit-then-status', // carry the request out, then answer with `status`
  'drop', // close the connection without carrying the request out
  'commit-then-drop', // carry the request out, then close the connection without an answer
  'cut-stream', // close the connection after the beginning of a streamed answer
  'stall', // a streamed answer stops and its connection stays open; sandboxes: after the first part
  'cut-end', // sandboxes: close the connection of a stream after its last message, before the end-of-stream message
  'lost', // webhooks: never sent, no further attempt
  'duplicated', // webhooks: sent twice
  'late', // webhooks: sent `latencyMs` later; sandboxes: carried out at once, answered `latencyMs` later
  'vanish', // sandboxes: the sandbox is killed before the request is served; after a create, right after it
  'lose-state', // pause: answers 500, and everything since the previous pause is lost
  'old-files', // resume: brings back the files of the previous pause, without processes
  'reboot', // resume: brings back the files, without processes
  'omit', // lists: leaves out the first entry
  'stale', // lists: shows running sandboxes as paused
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * A rule hits requests of `route` (such as `work.ack`; all routes if absent) whose subject (URL and ids) contains
 * `match`. The first `after` hits pass, then at most `times` hits get the fault, all within `forMs` after the first.
 * `latencyMs`, in real milliseconds, is waited before a fault of any kind. `retryAfter` is in seconds. `probability`
 * needs a `seed`, so that a run can be repeated.
 */
export interface FaultRule {
  route?: string;
  match?: string;
  kind: FaultKind;
  status?: number;
  body?: unknown;
  retryAfter?: number;
  latencyMs?: number;
  after?: number;
  times?: number;
  forMs?: number;
  probability?: number;
  seed?: number;
}

/** The fault to apply to one request. */
export interface FaultAction {
  id: string;
  kind: FaultKind;
  status: number;
  body?: unknown;
  retryAfter?: number;
  latencyMs: number;
}

export interface FaultStatus extends FaultRule {
  id: string;
  hits: number;
  taken: number;
}

const TEXT_FIELDS = ['route', 'match'] as const;
const COUNT_FIELDS = ['retryAfter', 'latencyMs', 'after', 'times', 'forMs'] as const;

/** Checks a rule from a request. Throws an `Error` that names the wrong field. */
export function parseFaultRule(input: unknown): FaultRule {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new Error('a fault rule must be a JSON object');
  }
  const rule = input as Record<string, unknown>;
  if (!FAULT_KINDS.includes(rule.kind as FaultKind)) {
    throw new Error(`kind must be one of ${FAULT_KINDS.join(', ')}`);
  }
  for (const field of TEXT_FIELDS) {
    if (rule[field] !== undefined && typeof rule[field] !== 'string')
      throw new Error(`${field} must be a string`);
  }
  for (const field of COUNT_FIELDS) {
    const value = rule[field];
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) {
      throw new Error(`${field} must be a number of zero or more`);
    }
  }
  const { status, probability, seed } = rule;
  if (status !== undefined && !(Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599)) {
    throw new Error('status must be an HTTP status from 200 to 599');
  }
  if (probability !== undefined) {
    if (!(typeof probability === 'number' && probability >= 0 && probability <= 1)) {
      throw new Error('probability must be between 0 and 1');
    }
    if (!Number.isInteger(seed)) throw new Error('probability needs a seed (an integer)');
  }
  return input as FaultRule;
}

/** Seeded random numbers in [0, 1) (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface ActiveRule {
  status: FaultStatus;
  random: (() => number) | undefined;
  /** When the rule stops applying; set when its fault is first applied. */
  until?: number;
}

export class Faults {
  readonly #rules = new Map<string, ActiveRule>();
  #lastId = 0;

  /** Adds a rule and returns its id. Throws an `Error` that names the wrong field. */
  add(rule: FaultRule): string {
    parseFaultRule(rule);
    this.#lastId += 1;
    const id = `fault_${this.#lastId}`;
    const random = rule.probability === undefined ? undefined : seededRandom(rule.seed ?? 0);
    this.#rules.set(id, { status: { ...rule, id, hits: 0, taken: 0 }, random });
    return id;
  }

  /** Removes one rule, or all. Returns whether anything was removed. */
  clear(id?: string): boolean {
    if (id !== undefined) return this.#rules.delete(id);
    const had = this.#rules.size > 0;
    this.#rules.clear();
    return had;
  }

  get any(): boolean {
    return this.#rules.size > 0;
  }

  list(): FaultStatus[] {
    return [...this.#rules.values()].map((rule) => ({ ...rule.status }));
  }

  /** Returns the fault of the first rule that applies to this request, and counts the hit. `subject`: URL and ids. */
  take(route: string, subject: string): FaultAction | undefined {
    for (const active of this.#rules.values()) {
      const { status: rule, random } = active;
      if (rule.route !== undefined && rule.route !== route) continue;
      if (rule.match !== undefined && !subject.includes(rule.match)) continue;
      rule.hits += 1;
      if (rule.hits <= (rule.after ?? 0)) continue;
      if (rule.taken >= (rule.times ?? Number.POSITIVE_INFINITY)) continue;
      if (active.until !== undefined && Date.now() > active.until) continue;
      if (random && random() >= (rule.probability ?? 1)) continue;
      if (rule.forMs !== undefined) active.until ??= Date.now() + rule.forMs;
      rule.taken += 1;
      return {
        id: rule.id,
        kind: rule.kind,
        status: rule.status ?? (rule.retryAfter === undefined ? 500 : 429),
        latencyMs: rule.latencyMs ?? 0,
        ...(rule.body === undefined ? {} : { body: rule.body }),
        ...(rule.retryAfter === undefined ? {} : { retryAfter: rule.retryAfter }),
      };
    }
    return undefined;
  }
}
