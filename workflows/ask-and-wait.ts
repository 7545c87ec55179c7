import { condition } from '@temporalio/workflow';

/** A request or its answer may be lost with a terminated workflow: the request is repeated, which does no harm. */
const ASK_AGAIN_AFTER = '5 minutes';

/**
 * Asks another workflow for something, and waits until its signal has answered.
 * @param wanted whether it is still needed
 * @returns false if it is no longer wanted, and was not answered
 */
export async function askAndWait(
  summary: string,
  ask: () => Promise<void>,
  answered: () => boolean,
  wanted: () => boolean,
): Promise<boolean> {
  while (!answered() && wanted()) {
    await ask();
    await condition(() => answered() || !wanted(), ASK_AGAIN_AFTER, { summary });
  }
  return answered();
}
