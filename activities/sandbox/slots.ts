// The queue for running sandboxes, as activities reach it: workflows cannot start it themselves.
import { type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import { failpoint } from '../../src/failpoints.ts';
import {
  SLOTS_WORKFLOW,
  type SlotRequest,
  slotRequestedSignal,
  type Workflows,
} from '../../workflows/messages.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { eachOf } from '../for-each-concurrently.ts';

export function createSlotActivities({
  temporal,
  names,
  config,
}: Pick<Deps, 'temporal' | 'names' | 'config'>) {
  const { account, ofEnvironment } = config.limits;
  return {
    /** The limits are those of the worker that runs this. */
    requestSlot: defineActivity(
      async (args: { environmentId: string; workflowId: string }): Promise<void> => {
        const { environmentId, workflowId: holder } = args;
        await temporal.workflow.signalWithStart<Workflows[typeof SLOTS_WORKFLOW], [SlotRequest]>(
          SLOTS_WORKFLOW,
          {
            workflowId: names.slotsWorkflowId,
            taskQueue: names.taskQueue,
            args: [],
            signal: slotRequestedSignal,
            signalArgs: [{ holder, environmentId, limits: account, environmentLimit: ofEnvironment }],
            staticSummary: 'running sandboxes of the account',
          },
        );
        failpoint('slot-wanted', holder);
      },
    ),
  };
}

/** Terminated workflows cannot return what they hold, so poll for them. */
export function createFindEndedWorkflows({ temporal }: Pick<Deps, 'temporal'>) {
  return {
    findEndedWorkflows: defineActivity(
      async ({ workflowIds }: { workflowIds: string[] }): Promise<string[]> => {
        const ended: string[] = [];
        await eachOf(workflowIds, async (id) => {
          if ((await stateOf(temporal, id)) !== 'RUNNING') ended.push(id);
        });
        return ended;
      },
    ),
  };
}

async function stateOf(
  temporal: Deps['temporal'],
  workflowId: string,
): Promise<WorkflowExecutionStatusName | null> {
  try {
    return (await temporal.workflow.getHandle(workflowId).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
