// Ends the watch of a session that goes to rest. It would follow the session's next turn beside that turn's own watch until its
// next heartbeat, and signal everything twice.
import type { Client } from '@temporalio/client';
import { isRecalled } from '../recalled.ts';
import { sleep } from '../sleep.ts';
import type { SessionView } from './session-view.ts';

/** From the end of the grace on, at growing intervals: most sessions rest in that moment. */
const ASK_MS = { first: 500, most: 8_000 };

/**
 * Resolves once the turn has been over for the grace, and the workflow has asked the activity to end.
 * @throws the signal's reason when it is aborted
 */
export async function untilRecalled(
  temporal: Client,
  view: Pick<SessionView, 'turn' | 'newest'>,
  graceMs: number,
  signal: AbortSignal,
): Promise<'recalled'> {
  let { newest } = view;
  let idleSince = Date.now();
  let pauseMs = ASK_MS.first;
  for (;;) {
    await sleep(pauseMs, signal);
    if (view.turn !== 'idle' || view.newest !== newest) {
      ({ newest } = view);
      idleSince = Date.now();
      pauseMs = ASK_MS.first;
    } else if (Date.now() - idleSince >= graceMs) {
      if (await isRecalled(temporal)) return 'recalled';
      pauseMs = Math.min(pauseMs * 2, ASK_MS.most);
    }
  }
}
