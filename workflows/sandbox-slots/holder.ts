// One place among the running sandboxes of the account, as a workflow that needs one has it: asked for, waited for,
// returned. Where nothing is limited nobody asks.
import { condition, getExternalWorkflowHandle, setHandler, workflowInfo } from '@temporalio/workflow';
import { services } from '../activity-policies.ts';
import { namesOf, slotGrantedSignal, slotQueuedSignal, slotReturnedSignal } from '../messages.ts';

export interface Slot {
  granted: boolean;
  /** Place in the queue; null until told. */
  position: number | null;
}

export interface SlotUser {
  slot?: Slot | null;
}

/** A request or its answer may be lost with a terminated queue: asked again, it does no harm. */
const ASK_AGAIN_AFTER = '5 minutes';

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
  while (!granted() && wanted()) {
    const summary = 'ask for a running sandbox';
    await services.requestSlot.executeWithOptions({ summary }, [{ environmentId, workflowId }]);
    await condition(() => granted() || !wanted(), ASK_AGAIN_AFTER, { summary: 'wait for a running sandbox' });
  }
  if (granted()) return true;
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
