import { type WorkflowExecutionStatusName, WorkflowNotFoundError } from '@temporalio/client';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { forEachConcurrently } from '../for-each-concurrently.ts';

/** Terminated workflows cannot return what they hold, so poll for them. */
export function createFindEndedWorkflows({ temporal }: Pick<Deps, 'temporal'>) {
  return {
    findEndedWorkflows: defineActivity(
      async ({ workflowIds }: { workflowIds: string[] }): Promise<string[]> => {
        const ended: string[] = [];
        await forEachConcurrently(workflowIds, async (id) => {
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
