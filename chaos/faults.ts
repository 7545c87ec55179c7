// What the two services do wrong during a run: about one request in twenty, and more of the webhooks.
import type { SimulatorName } from '../harness/simulators.ts';
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

const RULES: Record<SimulatorName, Rule[]> = {
  anthropic: [...WEBHOOKS, STREAMS, ...REQUESTS],
  e2b: REQUESTS,
};
const SIMULATORS: SimulatorName[] = ['anthropic', 'e2b'];

/** The rules of a run, and how often they were taken; a simulator that was restarted has to be told again. */
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
    await this.look();
    for (const simulator of SIMULATORS) {
      this.#keep(simulator);
      await this.#admin(simulator, 'DELETE', 'faults');
    }
  }

  /** Reads the counts; a simulator that is away now keeps its last ones. */
  async look(): Promise<void> {
    for (const simulator of SIMULATORS) {
      const told = (await this.#admin(simulator, 'GET', 'faults').catch(() => null)) as {
        data: { route?: string; kind: string; status?: number; taken: number }[];
      } | null;
      if (!told?.data.length) continue;
      const counts: Record<string, number> = {};
      for (const { route, kind, status, taken } of told.data) {
        const name = `${route === 'webhook.deliver' ? 'webhook ' : ''}${kind}${status ? ` ${status}` : ''}`;
        counts[name] = (counts[name] ?? 0) + taken;
      }
      this.#now[simulator] = counts;
    }
  }

  /** How often each was taken since the start. */
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
