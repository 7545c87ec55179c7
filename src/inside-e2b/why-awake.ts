// Why the router's sandbox must not sleep now: sessions at work, or work in the queue.
import {
  type CAUSES,
  namesOf,
  type Phase,
  SESSION_WORKFLOW,
  SessionAttentionAttribute,
  SessionPhaseAttribute,
} from '../../workflows/messages.ts';
import { createAnthropic } from '../clients/anthropic.ts';
import type { Temporal } from '../clients/temporal.ts';
import type { Config, EnvironmentConfig } from '../config.ts';

/**
 * Phases that wait for a webhook alone. A session that waits for an approval is not among them: the decision about a subagent's
 * call sends no webhook while another thread of the session runs.
 */
const QUIET: readonly Phase[] = ['paused', 'paused by a person', 'ended'];

const PHASE = SessionPhaseAttribute.name;
/** A result that could not be posted yet waits in its session's workflow, whatever the phase. */
const UNPOSTED: (typeof CAUSES)[number] = 'post';
const AT_WORK =
  `WorkflowType = '${SESSION_WORKFLOW}' AND ExecutionStatus = 'Running' AND ` +
  `(${PHASE} IS NULL OR ${PHASE} NOT IN (${QUIET.map((phase) => `'${phase}'`).join(', ')}) OR ` +
  `${SessionAttentionAttribute.name} = '${UNPOSTED}')`;

const WITHIN_MS = 10_000;
/** The key is refused, or there is no such environment: nothing can be taken from its queue. */
const FINAL = [401, 403, 404];

/** @returns words for the log; undefined if all is quiet. What cannot be asked counts as work. */
export async function whyAwake(
  { connection, client }: Temporal,
  { environments, deployment }: Pick<Config, 'environments' | 'deployment'>,
): Promise<string | undefined> {
  try {
    const query = `TaskQueue = '${namesOf(deployment).taskQueue}' AND ${AT_WORK}`;
    const deadline = Date.now() + WITHIN_MS;
    const { count } = await connection.withDeadline(deadline, () => client.workflow.count(query));
    if (count > 0) return 'sessions are at work';
  } catch {
    return 'sessions cannot be counted';
  }
  for (const environment of environments) {
    const state = await queueOf(environment);
    if (state !== 'empty') return `the queue ${state}`;
  }
  return undefined;
}

async function queueOf(environment: Pick<EnvironmentConfig, 'anthropic'>): Promise<string> {
  const { work } = createAnthropic(environment).environment.beta.environments;
  try {
    const { depth, pending } = await work.stats(
      environment.anthropic.environmentId,
      {},
      { timeout: WITHIN_MS },
    );
    return depth + pending > 0 ? 'holds work' : 'empty';
  } catch (error) {
    const { status } = error as { status?: number };
    return status !== undefined && FINAL.includes(status) ? 'empty' : 'cannot be read';
  }
}
