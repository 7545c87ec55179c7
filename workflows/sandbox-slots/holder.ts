// One place among the running sandboxes of the account, as a workflow that needs one has it: asked for, waited for,
// returned. Where nothing is limited nobody asks.
import { getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import { shortCalls } from '../activity-policies.ts';
import { askAndWait } from '../ask-and-wait.ts';
import { namesOf, slotGrantedSignal, slotQueuedSignal, slotReturnedSignal } from '../messages.ts';

export interface Slot {
  granted: boolean;
  /** Place in the queue; null until told. */
  position: number | null;
}

export interface SlotUser {
  slot?: Slot | null;
}

/** Registers the answers of the queue. Call it before the first await. */
export function receiveSlot(user: SlotUser, notify: () => void): void {
  setHandler(slotGrantedSignal, () => {
    // Nobody waits any more: what was asked for is returned already.
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
 * Waits for a slot, unless one is held already.
 * @param wanted whether it is still needed
 * @returns whether it is held; false if it was no longer wanted
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

/** The sandbox is paused or gone, or none is wanted. */
export async function returnSlot(user: SlotUser): Promise<void> {
  if (!user.slot) return;
  user.slot = null;
  const { workflowId, taskQueue } = workflowInfo();
  // Where there is no queue there is nothing to return.
  await getExternalWorkflowHandle(namesOf(taskQueue).slotsWorkflowId)
    .signal(slotReturnedSignal, { holder: workflowId })
    .catch(() => undefined);
}
