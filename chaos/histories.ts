// Reads the workflows of a run from Temporal: their status and histories, and whether each history replays.
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { pidOf } from '../harness/session-workflow.ts';
import type { World } from '../harness/world.ts';
import { projectPath } from '../src/paths.ts';

type Temporal = World['temporal']['client'];
type History = Awaited<ReturnType<ReturnType<Temporal['workflow']['getHandle']>['fetchHistory']>>;

export interface Run {
  workflowId: string;
  runId: string;
  type: string;
  /** `RUNNING`, `COMPLETED`, `FAILED`, … */
  status: string;
  /** Attempts of the pending workflow task; 0 if there is none. */
  taskAttempts: number;
  history: History;
}

/** All runs of all workflows, including those that continued as new. */
export async function readRuns(temporal: Temporal): Promise<Run[]> {
  const runs: Run[] = [];
  for await (const { workflowId, runId, type, status } of temporal.workflow.list()) {
    const handle = temporal.workflow.getHandle(workflowId, runId);
    const [history, { raw }] = await Promise.all([handle.fetchHistory(), handle.describe()]);
    const taskAttempts = raw.pendingWorkflowTask?.attempt ?? 0;
    runs.push({ workflowId, runId, type, status: status.name, taskAttempts, history });
  }
  return runs;
}

/** @returns the runs that do not replay with the production bundle, with the reason */
export async function replayAll(runs: Run[]): Promise<{ run: Run; why: string }[]> {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
  const broken: { run: Run; why: string }[] = [];
  const byRun = new Map(runs.map((run) => [run.runId, run]));
  const workflowBundle = { codePath: projectPath('bundles/workflows.js') };
  const histories = runs.map(({ workflowId, history }) => ({ workflowId, history }));
  for await (const { runId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    const run = byRun.get(runId);
    if (error && run) broken.push({ run, why: error.message });
  }
  return broken;
}

/** Starts of activities in epoch ms. A history contains only the last attempt of each. */
export function activityStarts({ history }: Run): number[] {
  return (history.events ?? []).flatMap(({ activityTaskStartedEventAttributes: started, eventTime }) =>
    started && eventTime ? [Number(eventTime.seconds) * 1000 + (eventTime.nanos ?? 0) / 1e6] : [],
  );
}

/** Process ids of the workers that completed activities of the run, by activity id. */
export function activityEnds({ history }: Run): Map<string, number> {
  const ids = new Map<string, string>();
  const ends = new Map<string, number>();
  for (const event of history.events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) ids.set(String(event.eventId), scheduled.activityId ?? '');
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    if (ended) ends.set(ids.get(String(ended.scheduledEventId)) ?? '', pidOf(ended.identity));
  }
  return ends;
}

export function asJson({ history }: Run): string {
  return historyToJSON(history);
}
