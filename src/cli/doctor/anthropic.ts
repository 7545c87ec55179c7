// Checks of each environment at Anthropic: its key, and its queue. Statistics only: nothing is claimed.
import { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import { createAnthropic } from '../../clients/anthropic.ts';
import type { Inspection } from '../../config.ts';
import { routerCommand } from '../../program-name.ts';
import { counted } from '../counted.ts';
import { relative } from '../times.ts';
import {
  type Check,
  CONNECT_LIMIT_MS,
  type Finding,
  NotChecked,
  ok,
  once,
  problem,
  warning,
} from './check.ts';

const AREA = 'Anthropic';
/** A worker takes an item within seconds. */
const OLD_ITEM_MS = 60_000;

export function anthropicChecks({ usable }: Inspection): Check[] {
  if (!usable) return [];
  const { environments, anthropicUrl } = usable;
  if (environments.length > 0)
    return environments.flatMap((environment) => ofEnvironment(environment, anthropicUrl));
  const run = () => {
    throw new NotChecked('no environment is set');
  };
  return [{ area: AREA, name: 'environment', run }];
}

function ofEnvironment({ id, key }: { id: string; key?: string }, baseUrl: string | undefined): Check[] {
  const stats = once(async () => {
    if (key === undefined) throw new NotChecked('its key is not set');
    const anthropic = { environmentId: id, environmentKey: key, ...(baseUrl ? { baseUrl } : {}) };
    return createAnthropic({ anthropic }).environment.beta.environments.work.stats(
      id,
      {},
      { timeout: CONNECT_LIMIT_MS },
    );
  });
  return [
    {
      area: AREA,
      name: `key of ${id}`,
      run: async () => {
        try {
          await stats();
          return ok('the environment key is accepted');
        } catch (error) {
          return refusal(error, id);
        }
      },
    },
    {
      area: AREA,
      name: `queue of ${id}`,
      run: async () => {
        const { depth, pending, oldest_queued_at, workers_polling } = await stats().catch((error) => {
          throw new NotChecked(error instanceof NotChecked ? error.message : 'the key cannot be used');
        });
        return queueFinding(Number(depth), Number(pending), oldest_queued_at, workers_polling);
      },
    },
  ];
}

/** @throws NotChecked if the service said nothing about the key */
function refusal(error: unknown, id: string): Finding {
  if (error instanceof NotChecked) throw error;
  if (error instanceof APIConnectionError || error instanceof APIUserAbortError)
    throw new NotChecked('Anthropic does not answer');
  if (!(error instanceof APIError)) throw error;
  if (error.status === 401 || error.status === 403)
    return problem(
      `Anthropic refuses the environment key (${error.status})`,
      `create a new key on the page of ${id} in the Console, and set it (ANTHROPIC_ENVIRONMENT_KEY, or environments[].key)`,
    );
  if (error.status === 404)
    return problem(
      `Anthropic knows no environment ${id} for this key`,
      'set the id that stands beside the key in the Console (ANTHROPIC_ENVIRONMENT_ID, or environments[].id)',
    );
  throw new NotChecked(`Anthropic answers ${error.status}: try again later`);
}

function queueFinding(
  depth: number,
  pending: number,
  oldest: string | null,
  polling: number | null,
): Finding {
  const oldestAt = Date.parse(oldest ?? '');
  const since = Number.isNaN(oldestAt) ? '' : `, the oldest since ${relative(oldestAt)}`;
  const workers = polling === null ? 'an unknown number of workers' : counted(Number(polling), 'worker');
  const text = `${depth} waiting, ${pending} claimed but not acknowledged${since}; ${workers} polling`;
  const cure = `start a worker (${routerCommand('worker')}); the worker check above says whether one runs`;
  if (polling === 0) return depth > 0 ? problem(text, cure) : warning(text, cure);
  if (Date.now() - oldestAt > OLD_ITEM_MS)
    return warning(
      text,
      `look at the worker's log for claimWork; \`${routerCommand('environments show')}\` tells more`,
    );
  return ok(text);
}
