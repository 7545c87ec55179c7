// The queue for running sandboxes, as activities reach it: workflows cannot start it themselves.
import { failpoint } from '../../src/failpoints.ts';
import {
  SLOTS_WORKFLOW,
  type SlotRequest,
  slotRequestedSignal,
  type Workflows,
} from '../../workflows/messages.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';

export function createRequestSlot({ temporal, names, config }: Pick<Deps, 'temporal' | 'names' | 'config'>) {
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
