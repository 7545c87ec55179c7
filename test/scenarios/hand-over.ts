// Scenarios in which a work item reaches a session, where services with the same protocol may behave differently: each must
// succeed with every setting of the simulator's switches.

import type { Check, Scenario } from '../../demo/scenarios.ts';
import { workerOfCall } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';

const SHORT_TTL_SECONDS = 3;
/** Longer than the short lease, after which the service may offer an item again. */
const NO_HEARTBEATS_MS = 9_000;
/** A command that prints how often it has run. */
const ONCE = 'echo ran >> count; cat count';
/** A command that runs so long that a failing first heartbeat is retried several times meanwhile. */
const SLOWLY_ONCE = `sleep 4; ${ONCE}`;

export const lostAcknowledgement: Scenario = {
  title: 'the answer to an acknowledgement is lost, so it is sent twice',
  async run(world) {
    const fault = await inject(world, { route: 'work.ack', kind: 'commit-then-drop', times: 1 });
    const { answer } = await takeTurn(world.anthropic, await openSession(world), commands(ONCE));
    const taken = await fault.lift();
    return [once(answer), { shown: 'the answer was lost', how: `${taken} times`, ok: taken === 1 }];
  },
};

export const lapsedLease: Scenario = {
  title: 'no worker is there for longer than the lease, so the item is offered again',
  async run(world) {
    await world.admin('anthropic', 'PATCH', 'switches', { 'lease-ttl-seconds': SHORT_TTL_SECONDS });
    try {
      const sessionId = await openSession(world);
      const turn = takeTurn(world.anthropic, sessionId, commands(`sleep 2; ${ONCE}`, 'cat count'));
      turn.catch(() => undefined);
      await until('the call runs', () => workerOfCall(world, sessionId));
      for (const worker of world.workers) await worker.kill();
      await new Promise((resolve) => setTimeout(resolve, (SHORT_TTL_SECONDS + 2) * 1000));
      await world.addWorker();
      return [once((await turn).answer)];
    } finally {
      await world.admin('anthropic', 'PATCH', 'switches', { 'lease-ttl-seconds': 300 });
    }
  },
};

/**
 * The first heartbeats fail. If the service offers such an item again, they fail until it has done so; otherwise the
 * first four fail.
 * @param advanceMs how far the service's clock is advanced, so that it offers the item again
 */
export function failedHeartbeats(reoffered: boolean, advanceMs = 0): Scenario {
  return {
    title: 'an item is acknowledged and its first heartbeats fail',
    async run(world) {
      await world.admin('anthropic', 'PATCH', 'switches', { 'lease-ttl-seconds': SHORT_TTL_SECONDS });
      const times = reoffered ? {} : { times: 4 };
      const fault = await inject(world, { route: 'work.heartbeat', kind: 'status', status: 503, ...times });
      try {
        const turn = takeTurn(world.anthropic, await openSession(world), commands(SLOWLY_ONCE));
        turn.catch(() => undefined);
        if (reoffered) await new Promise((resolve) => setTimeout(resolve, NO_HEARTBEATS_MS));
        else await until('they have failed', async () => (await fault.taken()) >= 4);
        const taken = await fault.lift();
        if (advanceMs > 0) await world.admin('anthropic', 'POST', 'clock', { advanceMs });
        const { answer } = await turn;
        return [once(answer), { shown: 'heartbeats failed', how: `${taken} times`, ok: taken > 0 }];
      } finally {
        await fault.lift();
        await world.admin('anthropic', 'PATCH', 'switches', { 'lease-ttl-seconds': 300 });
      }
    },
  };
}

function once(answer: string): Check {
  return { shown: 'the command ran once', how: `its count says: ${answer}`, ok: answer.trim() === 'ran' };
}

async function inject(world: World, rule: object) {
  const { id } = (await world.admin('anthropic', 'POST', 'faults', rule)) as { id: string };
  const taken = async () => {
    const { data } = (await world.admin('anthropic', 'GET', 'faults')) as {
      data: { id: string; taken: number }[];
    };
    return data.find((fault) => fault.id === id)?.taken ?? 0;
  };
  return {
    taken,
    /** @returns how often the item was acknowledged */
    lift: async () => {
      const times = await taken();
      await world.admin('anthropic', 'DELETE', `faults/${id}`).catch(() => undefined);
      return times;
    },
  };
}
