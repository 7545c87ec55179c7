// What the two services do wrong during a run: about one request in twenty, and more of the webhooks.
import type { StandIn } from '../harness/simulators.ts';
import type { World } from '../harness/world.ts';
import { seedOf } from './random.ts';

interface Rule {
  route?: string;
  kind: string;
  status?: number;
  retryAfter?: number;
  latencyMs?: number;
  probability: number;
}

/** In all 5 % of the requests; each has the ones before it to pass. */
const REQUESTS: Rule[] = [
  { kind: 'drop', probability: 0.008 },
  { kind: 'commit-then-drop', probability: 0.008 },
  { kind: 'status', status: 500, probability: 0.006 },
  { kind: 'status', status: 503, probability: 0.006 },
  { kind: 'commit-then-status', status: 500, probability: 0.006 },
  { kind: 'status', status: 429, probability: 0.006 },
  { kind: 'status', status: 429, retryAfter: 1, probability: 0.006 },
  { kind: 'latency', latencyMs: 10_000, probability: 0.004 },
];

const STREAMS: Rule = { route: 'events.stream', kind: 'cut-stream', probability: 0.2 };

/** Out of order: what comes later overtakes what is late. */
const WEBHOOKS: Rule[] = [
  { route: 'webhook.deliver', kind: 'lost', probability: 0.1 },
  { route: 'webhook.deliver', kind: 'duplicated', latencyMs: 500, probability: 0.22 },
  { route: 'webhook.deliver', kind: 'late', latencyMs: 1_500, probability: 0.15 },
  { route: 'webhook.deliver', kind: 'late', latencyMs: 4_000, probability: 0.15 },
];

const RULES: Record<StandIn, Rule[]> = { anthropic: [...WEBHOOKS, STREAMS, ...REQUESTS], e2b: REQUESTS };
const STAND_INS: StandIn[] = ['anthropic', 'e2b'];

/** The rules of a run, and how often they were taken; a stand-in that was restarted has to be told again. */
export class Faults {
  readonly #admin: World['admin'];
  readonly #seed: number;
  readonly #before: Record<string, number> = {};
  #now: Record<StandIn, Record<string, number>> = { anthropic: {}, e2b: {} };
  #starts = 0;

  constructor(admin: World['admin'], seed: number) {
    this.#admin = admin;
    this.#seed = seed;
  }

  async start(of?: StandIn): Promise<void> {
    for (const standIn of of ? [of] : STAND_INS) {
      this.#keep(standIn);
      this.#starts += 1;
      for (const [index, rule] of RULES[standIn].entries()) {
        const seed = seedOf(this.#seed, `${standIn} ${index} ${this.#starts}`);
        await this.#admin(standIn, 'POST', 'faults', { ...rule, seed });
      }
    }
  }

  async stop(): Promise<void> {
    await this.look();
    for (const standIn of STAND_INS) {
      this.#keep(standIn);
      await this.#admin(standIn, 'DELETE', 'faults');
    }
  }

  /** Reads the counts; a stand-in that is away now keeps its last ones. */
  async look(): Promise<void> {
    for (const standIn of STAND_INS) {
      const told = (await this.#admin(standIn, 'GET', 'faults').catch(() => null)) as {
        data: { route?: string; kind: string; status?: number; taken: number }[];
      } | null;
      if (!told?.data.length) continue;
      const counts: Record<string, number> = {};
      for (const { route, kind, status, taken } of told.data) {
        const name = `${route === 'webhook.deliver' ? 'webhook ' : ''}${kind}${status ? ` ${status}` : ''}`;
        counts[name] = (counts[name] ?? 0) + taken;
      }
      this.#now[standIn] = counts;
    }
  }

  /** How often each was taken since the start. */
  counts(): Record<string, number> {
    const sum = { ...this.#before };
    for (const standIn of STAND_INS) addTo(sum, this.#now[standIn]);
    return sum;
  }

  #keep(standIn: StandIn): void {
    addTo(this.#before, this.#now[standIn]);
    this.#now = { ...this.#now, [standIn]: {} };
  }
}

function addTo(sum: Record<string, number>, counts: Record<string, number>): void {
  for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
}
