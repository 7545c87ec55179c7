// A workflow's slot among the running sandboxes of the account: requested, waited for, returned. Where sandboxes are not
// limited, no slot is requested.
import { getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import { shortCalls } from '../activity-policies.ts';
import { askAndWait } from '../ask-and-wait.ts';
import { namesOf, slotGrantedSignal, slotQueuedSignal, slotReturnedSignal } from '../messages.ts';

export interface Slot {
  granted: boolean;
  /** Position in the queue; null until the queue has answered. */
  position: number | null;
}

export interface SlotUser {
  slot?: Slot | null;
}

/** Registers the answers of the queue. Call it before the first await. */
export function receiveSlot(user: SlotUser, notify: () => void): void {
  setHandler(slotGrantedSignal, () => {
    // Otherwise the slot is no longer wanted, and has been returned already.
    if (user.slot) user.slot = { granted: true, position: null };
    notify();
  });
  setHandler(slotQueuedSignal, (place) => {
    if (user.slot && !user.slot.granted && typeof place?.position === 'number')
      user.slot.position = place.position;
    notify();
  });
}

/**
 * Waits for a slot, unless the workflow has one already.
 * @param wanted whether it is still needed
 * @returns whether the workflow has a slot; false if it no longer wanted one
 */
export async function takeSlot(
  user: SlotUser,
  environmentId: string,
  wanted: () => boolean,
): Promise<boolean> {
  user.slot ??= { granted: false, position: null };
  const granted = () => user.slot?.granted === true;
  const { workflowId } = workflowInfo();
  const ask = () =>
    shortCalls.requestSlot.executeWithOptions({ summary: 'request a slot for a running sandbox' }, [
      { environmentId, workflowId },
    ]);
  if (await askAndWait('wait for a slot', ask, granted, wanted)) return true;
  await returnSlot(user);
  return false;
}

/** The sandbox is paused or lost, or no longer wanted. */
export async function returnSlot(user: SlotUser): Promise<void> {
  if (!user.slot) return;
  user.slot = null;
  const { workflowId, taskQueue } = workflowInfo();
  // Where there is no queue there is nothing to return.
  await getExternalWorkflowHandle(namesOf(taskQueue).slotsWorkflowId)
    .signal(slotReturnedSignal, { holder: workflowId })
    .catch(() => undefined);
}
