// Sessions at rest, as many as are wanted at the pace of a client: each is started as the run that a session at rest
// continues as new with. That input is taken from a session that has worked and rested; other ids are put into it.
import { defaultPayloadConverter } from '@temporalio/common';
import { until } from '../../harness/until.ts';
import type { Sessions } from '../../src/clients/sessions.ts';
import type { Temporal } from '../../src/clients/temporal.ts';
import {
  inEnvironment,
  namesOf,
  SandboxIdAttribute,
  SESSION_WORKFLOW,
  SessionPhaseAttribute,
  TASK_QUEUE,
} from '../../workflows/messages.ts';
import { idleSessionId, openIdleSession } from '../idle-session.ts';

/** So many that a session continues as new at the end of its turn. */
const CALLS = 30;
/** In every id of the session from which the others are made, and nowhere else in its state. */
const ORIGINAL = 987_654_321;
const WITHIN_MS = 60_000;

/** Starts the session of this number, at rest. Resolves once it is stored, before a worker has seen it. */
export type StartAtRest = (number: number) => Promise<void>;

/** @throws Error if the session that is the pattern of the others does not continue as new within a minute */
export async function carriedOver(temporal: Temporal, sessions: Sessions): Promise<StartAtRest> {
  const { client } = temporal;
  await openIdleSession(temporal, sessions, ORIGINAL, CALLS);
  const pattern = client.workflow.getHandle(namesOf().sessionWorkflowId(idleSessionId(ORIGINAL)));
  const started = await until(
    'a session at rest continues as new',
    async () => {
      const [first] = (await pattern.fetchHistory()).events ?? [];
      const attributes = first?.workflowExecutionStartedEventAttributes;
      return attributes?.continuedExecutionRunId ? attributes : null;
    },
    WITHIN_MS,
  );
  const [payload] = started.input?.payloads ?? [];
  if (!payload) throw new Error('the run at rest has no input');
  const state = JSON.stringify(defaultPayloadConverter.fromPayload(payload));
  const { memo, typedSearchAttributes: found } = await pattern.describe();
  const { environmentId, settings } = sessions.start;
  const { typedSearchAttributes = [] } = inEnvironment(environmentId, settings.searchAttributes);
  return async (number) => {
    const id = idleSessionId(number);
    await client.workflow.start(SESSION_WORKFLOW, {
      workflowId: namesOf().sessionWorkflowId(id),
      taskQueue: TASK_QUEUE,
      args: [JSON.parse(state.replaceAll(`_${ORIGINAL}`, `_${number}`))],
      staticSummary: `session ${id}`,
      ...(memo ? { memo } : {}),
      typedSearchAttributes: [
        ...typedSearchAttributes,
        ...[SessionPhaseAttribute, SandboxIdAttribute].flatMap((key) => {
          const value = found.get(key);
          return value === undefined ? [] : [{ key, value }];
        }),
      ],
    });
  };
}

/** Waits until workers have run the first task of every workflow that was started. @throws Error after five minutes */
export async function untilNoTasks({ client, connection }: Temporal): Promise<void> {
  const { namespace } = client.options;
  const WORKFLOWS = 1;
  const ask = { namespace, taskQueue: { name: TASK_QUEUE }, taskQueueType: WORKFLOWS, reportStats: true };
  await until(
    'no workflow task waits',
    async () => {
      const { stats } = await connection.workflowService.describeTaskQueue(ask);
      return Number(stats?.approximateBacklogCount ?? Number.NaN) === 0;
    },
    300_000,
  );
}
