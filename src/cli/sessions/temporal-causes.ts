// Causes on Temporal's side: the run has ended, its tasks fail, no worker takes them, its state is unknown.
import { duration } from '../times.ts';
import { command, type Diagnosis, type Evidence, livePollers } from './evidence.ts';

/** A worker that polls takes a task within milliseconds. */
const TAKEN_WITHIN_MS = 8_000;

const AT_A_MESSAGE = 'Nothing has to be done. The next message to the session starts it again';

export function runEnded({ run, sessionId }: Evidence): Diagnosis | null {
  const { status, reason } = run;
  if (status === 'running' || status === 'continued') return null;
  const ended = { since: run.closedAt, trouble: false };
  if (status === 'completed' && reason === 'session of another environment')
    return {
      ...ended,
      kind: 'other environment',
      trouble: true,
      waitingFor: `nothing: session ${sessionId} belongs to an environment that this router does not serve`,
      cure: 'Run the command with the settings of the router that serves its environment, or add that environment to the configuration',
    };
  if (status === 'completed')
    return {
      ...ended,
      kind: 'ended',
      waitingFor: `nothing: it has ended (${reason ?? 'no reason recorded'})`,
      cure: ['terminated', 'archived', 'deleted'].includes(reason ?? '')
        ? 'Nothing: the session has ended at Anthropic, and its sandbox is killed. Start a new session'
        : `${AT_A_MESSAGE}, in a new sandbox`,
    };
  if (status === 'failed' || status === 'timed out')
    return {
      ...ended,
      kind: 'failed',
      trouble: true,
      waitingFor: `nothing: its workflow ${status === 'failed' ? 'failed' : 'timed out'} (${reason ?? 'no reason recorded'})`,
      cure: 'The next webhook, work item or reconcile starts it again. Report this: a workflow of the router never fails by design',
    };
  return {
    ...ended,
    kind: 'ended by hand',
    waitingFor: `nothing: a person has ${status} its workflow${reason ? ` (${reason})` : ''}`,
    cure: `${AT_A_MESSAGE}; its sandbox is found again, unless the reconcile has killed it`,
  };
}

/** Each workflow task fails: the session stands still. */
export function tasksFail({ taskFailure, workflowTask, run, workflowId }: Evidence): Diagnosis | null {
  if (!taskFailure || !workflowTask) return null;
  const { cause, message, since } = taskFailure;
  const notDeterministic = cause === 'non-determinism';
  return {
    kind: notDeterministic ? 'non-determinism' : 'workflow task fails',
    trouble: true,
    waitingFor: notDeterministic
      ? `a worker of the build that began its history: the present one does not reproduce it (${message})`
      : `a workflow task that succeeds: each attempt fails (${message})`,
    since,
    cure: notDeterministic
      ? `Start a worker of the earlier build; or reset the workflow to before the change: temporal workflow reset --workflow-id ${workflowId} --type FirstWorkflowTask --reason "..." (run ${run.id})`
      : "Read the error in the worker's log, start a worker that does not fail, and the task is tried again by itself",
  };
}

export function noWorker(evidence: Evidence): Diagnosis | null {
  const { now, workflowTask, activities, pollers, run, taskQueue } = evidence;
  const waiting = [
    ...(workflowTask?.state === 'waiting' ? [workflowTask.since] : []),
    ...activities.filter(({ state }) => state === 'waiting').map(({ since }) => since ?? now),
  ];
  const since = waiting.length > 0 ? Math.min(...waiting) : null;
  const live = livePollers(evidence);
  const stuck = since !== null && now - since > TAKEN_WITHIN_MS;
  if (live.length > 0 && !(stuck && workflowTask?.state === 'waiting')) return null;
  const working = activities.some(({ state }) => state === 'running');
  if (live.length === 0 && waiting.length === 0 && (working || isAtRest(evidence))) return null;
  const last = Math.max(0, ...pollers.map(({ lastSeenAt }) => lastSeenAt));
  const lastSeen = last > 0 ? `; the last one asked for tasks ${duration(now - last)} ago` : '';
  const others = pollers.some(
    ({ lastSeenAt, buildId }) => now - lastSeenAt < 65_000 && buildId !== run.buildId,
  );
  if (run.buildId !== null)
    return {
      kind: 'build has no worker',
      trouble: true,
      waitingFor: `a worker of build ${run.buildId}, to which its run is pinned${others ? '; workers of other builds do run' : lastSeen}`,
      since: since ?? run.lastEventAt,
      cure: `Start a worker with WORKER_BUILD_ID=${run.buildId} until its sessions have moved on (docs/changing-workflows.md)`,
    };
  return {
    kind: 'no worker',
    trouble: true,
    waitingFor: `a worker: none takes tasks from the queue ${taskQueue}${lastSeen}`,
    since: since ?? run.lastEventAt,
    cure: `Start one: ${command('worker')}. If one runs, compare its TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and ROUTER_DEPLOYMENT with those of this command`,
  };
}

/** Nothing is expected to happen, so that a missing worker delays nothing yet. */
function isAtRest({ status, attributes, activities }: Evidence): boolean {
  return activities.length === 0 && (status?.phase ?? attributes.phase) === 'paused';
}

/** Neither replay nor query has told the state. */
export function stateUnknown({
  status,
  statusMissing,
  keyMissing,
  attributes,
  run,
  activities,
}: Evidence): Diagnosis | null {
  if (status) return null;
  const active = activities[0];
  const phase = attributes.phase ? `; the search attributes say: ${attributes.phase}` : '';
  return {
    kind: 'unknown',
    trouble: true,
    waitingFor: active
      ? `the end of ${active.name}, attempt ${active.attempt}${active.lastFailure ? `; the last one failed: ${active.lastFailure.message}` : ''} (its exact state is unknown: ${statusMissing}${phase})`
      : `something that cannot be told: ${statusMissing}${phase}`,
    since: active?.since ?? run.lastEventAt,
    cure: keyMissing
      ? 'Set TEMPORAL_ENCRYPTION_KEY_FOLDER (temporal.encryption.keyFolder) to a folder with its key, and run this command again'
      : run.buildId
        ? `Run this command from build ${run.buildId}, or start a worker of it`
        : 'Run this command from the build that the workers have',
  };
}
