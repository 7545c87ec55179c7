import type { Client } from '@temporalio/client';
import { expect, it } from 'vitest';
import { readHistory } from '../../../src/cli/sessions/history.ts';

const client = { options: { loadedDataConverter: { payloadCodecs: [] } } } as unknown as Client;
const UNHANDLED_COMMAND = 1;
const NON_DETERMINISTIC = 24;

it.each([
  [UNHANDLED_COMMAND, null],
  [NON_DETERMINISTIC, { cause: 'non-determinism', message: 'why', since: 1_000 }],
])('a workflow task that failed with cause %i counts as the failure %o', async (cause, taskFailure) => {
  const failed = {
    eventTime: { seconds: 1 },
    workflowTaskFailedEventAttributes: { cause, failure: { message: 'why' } },
  };
  const events = [failed] as unknown as Parameters<typeof readHistory>[1]['events'];
  expect((await readHistory(client, { events } as Parameters<typeof readHistory>[1])).taskFailure).toEqual(
    taskFailure,
  );
});
