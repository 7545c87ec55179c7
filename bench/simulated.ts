// The part of a contestant that talks to its simulators: each contestant has a pair of its own, so that the webhooks
// and sandboxes of one are no work for another.
import Anthropic from '@anthropic-ai/sdk';
import { E2B } from 'e2b';
import type { Admin, Simulators } from '../harness/simulators.ts';
import { commands, openSession, takeTurn } from '../harness/turns.ts';
import { until } from '../harness/until.ts';
import { type Contestant, turnTimes } from './contestant.ts';

const PAUSED_WITHIN_MS = 180_000;
/** The sandboxes' clock jumps so far at once while a router leaves the pause to their time-out. */
const JUMP_MS = 600_000;

/** All of a contestant but its name, its end and its sandboxes. */
export function simulated(
  simulators: Simulators,
  admin: Admin,
): Pick<Contestant, 'open' | 'turn' | 'modelTakes'> {
  const { apiKey, url } = simulators.anthropic;
  const anthropic = new Anthropic({ apiKey, baseURL: url });
  return {
    open: () => openSession({ anthropic, simulators }),
    turn: async (session, calls) => {
      const { events } = await takeTurn(anthropic, session, commands(...Array(calls).fill('true')));
      return turnTimes(events);
    },
    modelTakes: async (ms) => {
      await admin('anthropic', 'PATCH', 'switches', { 'model-delay-ms': String(ms) });
    },
  };
}

/**
 * Waits until all sandboxes are paused.
 * @param passTime for routers that leave it to the end of the sandboxes' time: once all work items are stopped, this time
 *   passes at once
 */
export async function untilPaused(
  { anthropic, e2b }: Simulators,
  admin: Admin,
  { passTime }: { passTime: boolean },
): Promise<void> {
  const { apiKey, url } = e2b;
  const { Sandbox } = new E2B({ apiKey, apiUrl: url, sandboxUrl: url });
  const { work } = new Anthropic({
    authToken: anthropic.environmentKey,
    apiKey: null,
    baseURL: anthropic.url,
  }).beta.environments;
  const stopped = async () => {
    for await (const { state } of work.list(anthropic.environmentId)) if (state !== 'stopped') return false;
    return true;
  };
  await until(
    'all sandboxes are paused',
    async () => {
      const { length } = await Sandbox.list({ query: { state: ['running'] } }).nextItems();
      if (length > 0 && passTime && (await stopped()))
        await admin('e2b', 'POST', 'clock', { advanceMs: JUMP_MS });
      return length === 0;
    },
    PAUSED_WITHIN_MS,
  );
}
