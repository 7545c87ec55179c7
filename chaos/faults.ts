// Faults of the two services during a run: about 5 % of the requests, and a larger share of the webhooks.
import type { SimulatorName } from '../harness/simulators.ts';
import type { World } from '../harness/world.ts';
import { REFUSED_WORD } from './plan.ts';
import { seedOf } from './random.ts';

interface Rule {
  route?: string;
  match?: string;
  kind: string;
  status?: number;
  retryAfter?: number;
  latencyMs?: number;
  probability?: number;
}

/** Together 5 % of the requests. The first matching rule wins. */
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

const STREAMS: Rule[] = [
  { route: 'events.stream', kind: 'cut-stream', probability: 0.2 },
  { route: 'events.stream', kind: 'stall', probability: 0.04 },
  { route: 'stream.event', kind: 'stall', probability: 0.004 },
];

/** Refusals of results: always for those with the refused word, at random for others. */
const REFUSALS: Rule[] = [
  { route: 'events.send', kind: 'status', status: 400, match: REFUSED_WORD },
  { route: 'events.send', kind: 'status', status: 400, match: '"user.tool_result"', probability: 0.03 },
];

/** Late deliveries arrive out of order. */
const WEBHOOKS: Rule[] = [
  { route: 'webhook.deliver', kind: 'lost', probability: 0.1 },
  { route: 'webhook.deliver', kind: 'duplicated', latencyMs: 500, probability: 0.22 },
  { route: 'webhook.deliver', kind: 'late', latencyMs: 1_500, probability: 0.15 },
  { route: 'webhook.deliver', kind: 'late', latencyMs: 4_000, probability: 0.15 },
];

const RULES: Record<SimulatorName, Rule[]> = {
  anthropic: [...WEBHOOKS, ...STREAMS, ...REFUSALS, ...REQUESTS],
  e2b: REQUESTS,
};
const SIMULATORS: SimulatorName[] = ['anthropic', 'e2b'];

/** Sets the fault rules and counts the faults. A restarted simulator has lost its rules, so they are set again. */
export class Faults {
  readonly #admin: World['admin'];
  readonly #seed: number;
  readonly #before: Record<string, number> = {};
  #now: Record<SimulatorName, Record<string, number>> = { anthropic: {}, e2b: {} };
  #starts = 0;

  constructor(admin: World['admin'], seed: number) {
    this.#admin = admin;
    this.#seed = seed;
  }

  async start(of?: SimulatorName): Promise<void> {
    for (const simulator of of ? [of] : SIMULATORS) {
      this.#keep(simulator);
      this.#starts += 1;
      for (const [index, rule] of RULES[simulator].entries()) {
        const seed = seedOf(this.#seed, `${simulator} ${index} ${this.#starts}`);
        await this.#admin(simulator, 'POST', 'faults', { ...rule, seed });
      }
    }
  }

  async stop(): Promise<void> {
    await this.readCounts();
    for (const simulator of SIMULATORS) {
      this.#keep(simulator);
      await this.#admin(simulator, 'DELETE', 'faults');
    }
  }

  /** Reads the counters; for a simulator that does not answer, the last ones are kept. */
  async readCounts(): Promise<void> {
    for (const simulator of SIMULATORS) {
      const answer = (await this.#admin(simulator, 'GET', 'faults').catch(() => null)) as {
        data: { route?: string; kind: string; status?: number; taken: number }[];
      } | null;
      if (!answer?.data.length) continue;
      const counts: Record<string, number> = {};
      for (const { route, kind, status, taken } of answer.data) {
        const name = `${route === 'webhook.deliver' ? 'webhook ' : ''}${kind}${status ? ` ${status}` : ''}`;
        counts[name] = (counts[name] ?? 0) + taken;
      }
      this.#now[simulator] = counts;
    }
  }

  /** How often each fault was injected since the start. */
  counts(): Record<string, number> {
    const sum = { ...this.#before };
    for (const simulator of SIMULATORS) addTo(sum, this.#now[simulator]);
    return sum;
  }

  #keep(simulator: SimulatorName): void {
    addTo(this.#before, this.#now[simulator]);
    this.#now = { ...this.#now, [simulator]: {} };
  }
}

function addTo(sum: Record<string, number>, counts: Record<string, number>): void {
  for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
}
