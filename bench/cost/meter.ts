// Counts what a part of a run costs: Temporal actions, requests to the two services, seconds of running sandboxes.
import { setTimeout as sleep } from 'node:timers/promises';
import { readActions } from './actions.ts';
import type { CountingProxy } from './counting-proxy.ts';
import { type E2bAccess, runningSeconds } from './running-seconds.ts';
import { since, type Tally, times } from './tally.ts';

export interface Cost {
  seconds: number;
  actions: Tally;
  anthropic: Tally;
  e2b: Tally;
  sandboxSeconds: number;
}

export interface Doors {
  metricsUrl: string;
  namespace: string;
  anthropic: CountingProxy;
  e2b: CountingProxy;
  e2bAccess: E2bAccess;
}

export class Meter {
  readonly #doors: Doors;

  constructor(doors: Doors) {
    this.#doors = doors;
  }

  /** What happens while `work` runs. */
  async during(work: () => Promise<unknown>): Promise<Cost> {
    const before = await this.#read();
    await work();
    const after = await this.#read();
    return {
      seconds: (after.at - before.at) / 1000,
      actions: since(before.actions, after.actions),
      anthropic: since(before.anthropic, after.anthropic),
      e2b: since(before.e2b, after.e2b),
      sandboxSeconds: after.sandboxSeconds - before.sandboxSeconds,
    };
  }

  /** What happens within this time. */
  within(seconds: number): Promise<Cost> {
    return this.during(() => sleep(seconds * 1000));
  }

  async #read() {
    const { metricsUrl, namespace, anthropic, e2b, e2bAccess } = this.#doors;
    const actions = await readActions(metricsUrl, namespace);
    const sandboxSeconds = await runningSeconds(e2bAccess);
    return {
      at: Date.now(),
      actions,
      anthropic: anthropic.counts(),
      e2b: e2b.counts(),
      sandboxSeconds,
    };
  }
}

/** The cost without what an idle router costs in the same time. */
export function beyond(cost: Cost, idle: Cost): Cost {
  const share = cost.seconds / idle.seconds;
  const without = (all: Tally, of: Tally) => since(times(of, share), all);
  return {
    ...cost,
    actions: without(cost.actions, idle.actions),
    anthropic: without(cost.anthropic, idle.anthropic),
    e2b: without(cost.e2b, idle.e2b),
  };
}

/** One of `count` equal parts. */
export function each(cost: Cost, count: number): Cost {
  const part = 1 / count;
  return {
    seconds: cost.seconds * part,
    actions: times(cost.actions, part),
    anthropic: times(cost.anthropic, part),
    e2b: times(cost.e2b, part),
    sandboxSeconds: cost.sandboxSeconds * part,
  };
}

/** Scaled to an hour. */
export function anHour(cost: Cost): Cost {
  return each(cost, cost.seconds / 3600);
}
