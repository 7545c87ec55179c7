// New search attributes reach the services of a Temporal cluster with a delay. Until then, starts and workflow tasks that
// set them fail.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';

const INVALID_ARGUMENT = 3;
const POLL_MS = 250;
/** Every service reads the namespaces every two seconds, each at another moment. */
const OTHER_SERVICES_MS = 2_500;
const GIVE_UP_AFTER_MS = 30_000;

/**
 * Waits until the server accepts our search attributes in the namespace, for at most half a minute; at once if they were
 * registered earlier. Never throws: what else may be wrong with the server is for the calls that follow.
 */
export async function untilSearchable(connection: Connection, namespace: string): Promise<void> {
  const query = SEARCH_ATTRIBUTES.map(({ name }) => `${name} = 'none'`).join(' OR ');
  const accepted = () =>
    connection.workflowService.countWorkflowExecutions({ namespace, query }).then(
      () => true,
      (error) => !isGrpcServiceError(error) || error.code !== INVALID_ARGUMENT,
    );
  if (await accepted()) return;
  for (const end = Date.now() + GIVE_UP_AFTER_MS; Date.now() < end && !(await accepted()); )
    await sleep(POLL_MS);
  await sleep(OTHER_SERVICES_MS);
}
