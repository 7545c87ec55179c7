// Warns once where workers of one deployment have different settings, like a second router that was started under the
// same name: each session would get those of the process that happens to serve it.
import type { Connection } from '@temporalio/client';
import { namesOf } from '../workflows/messages.ts';
import { pollersOf, settingsThatDiffer } from './clients/pollers.ts';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';

const COMPARE_EVERY_MS = 60_000;
/** Until Temporal lists this worker. */
const FIRST_AFTER_MS = 2_000;
const WORKFLOWS = 1;

/** @returns a function that ends it */
export function compareSettings(connection: Connection, config: Config, log: Logger): () => void {
  const { deployment, temporal } = config;
  let different = false;
  const compare = async () => {
    const pollers = await pollersOf(connection, temporal.namespace, namesOf(deployment).taskQueue, WORKFLOWS);
    const differ = settingsThatDiffer(pollers);
    if (differ.length > 0 && !different)
      log.warn(
        { deployment, differ, workers: pollers.map(({ identity }) => identity).slice(0, 10) },
        'workers of this deployment have different settings; a second router needs a ROUTER_DEPLOYMENT of its own (docs/environments-and-limits.md)',
      );
    else if (differ.length === 0 && different)
      log.info({ deployment }, 'all workers of this deployment have the same settings again');
    different = differ.length > 0;
  };
  // An outage is reported elsewhere.
  const attempt = () => void compare().catch(() => undefined);
  const first = setTimeout(attempt, FIRST_AFTER_MS);
  const timer = setInterval(attempt, COMPARE_EVERY_MS);
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
