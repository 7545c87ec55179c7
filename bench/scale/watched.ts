// Makes sessions watched for Temporal, without a worker: their workflow has a watch that has started, and does nothing.
import type { World } from '../../harness/world.ts';
import { SESSION_WATCH } from '../../workflows/messages.ts';
import { atOnce } from './sessions.ts';

const SCHEDULE_ACTIVITY_TASK = 1;
const FOR_SECONDS = 86_400;
const POLL_WITHIN_MS = 60_000;

/**
 * Does the part of a worker for the first workflow task of each session.
 * @param count sessions whose workflow has been started, and no others on this task queue
 */
export async function startWatches({ temporal, namespace, names }: World, count: number): Promise<void> {
  const { workflowService } = temporal.client;
  const identity = 'bench';
  const [workflows, watches] = [{ name: names.taskQueue }, { name: `${names.taskQueue}-watches` }];
  const inTime = <Answer>(ask: () => Promise<Answer>) =>
    temporal.connection.withDeadline(Date.now() + POLL_WITHIN_MS, ask);
  const schedule = {
    commandType: SCHEDULE_ACTIVITY_TASK,
    scheduleActivityTaskCommandAttributes: {
      activityId: '1',
      activityType: { name: SESSION_WATCH },
      taskQueue: watches,
      startToCloseTimeout: { seconds: FOR_SECONDS as never },
      scheduleToCloseTimeout: { seconds: FOR_SECONDS as never },
    },
  };
  await atOnce(Array(count).keys(), async () => {
    const { taskToken } = await inTime(() =>
      workflowService.pollWorkflowTaskQueue({ namespace, identity, taskQueue: workflows }),
    );
    await workflowService.respondWorkflowTaskCompleted({
      namespace,
      identity,
      taskToken,
      commands: [schedule],
    });
    // One of the watches that are scheduled, not always this one: in the end each has started.
    await inTime(() => workflowService.pollActivityTaskQueue({ namespace, identity, taskQueue: watches }));
  });
}
