import type { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createSessions } from '../../src/clients/sessions.ts';
import { NAMED_SEARCH_ATTRIBUTES, registerSearchAttributes } from '../../src/clients/temporal.ts';
import { untilSearchable } from '../../src/clients/until-searchable.ts';
import { SEARCH_ATTRIBUTES, sessionWorkflowId } from '../../workflows/messages.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';
import { recordedLog } from './recorded-log.ts';

/** `IndexedValueType` of Temporal's API. */
const KEYWORD = 2;
const KEYWORD_LIST = 7;

let test: TestNamespace;
beforeAll(async () => {
  test = await newNamespace();
});
afterAll(() => test.close());

it('are registered only if they are missing', async () => {
  const { connection, config } = test;
  const { log, lines } = recordedLog();
  expect(await registerSearchAttributes(connection, config.namespace, log)).toBe(true);
  expect(await registerSearchAttributes(connection, config.namespace, log)).toBe(true);
  const names = SEARCH_ATTRIBUTES.map(({ name }) => name);
  expect(lines()).toMatchObject([{ searchAttributes: names }]);
  const { customAttributes } = await connection.operatorService.listSearchAttributes(config);
  expect(Object.keys(customAttributes).sort()).toEqual(names.sort());
  expect(customAttributes).toMatchObject({ SessionPhase: KEYWORD, SessionAttention: KEYWORD_LIST });
});

/** A server that lacks the operator service or forbids us to use it. */
function refusing(code: number): Connection {
  const refuse = () =>
    Promise.reject(Object.assign(new Error('refused'), { code, details: 'refused', metadata: {} }));
  return { operatorService: { listSearchAttributes: refuse, addSearchAttributes: refuse } } as never;
}

it.each([7, 12, 16])(
  'are done without, with a warning, where the server answers with code %i',
  async (code) => {
    const { log, lines } = recordedLog();
    expect(await registerSearchAttributes(refusing(code), 'default', log)).toBe(false);
    expect(lines()).toMatchObject([{ level: 40, reason: 'refused' }]);
    expect(String(lines()[0]?.msg)).toContain(NAMED_SEARCH_ATTRIBUTES.join(', '));
  },
);

it.each([4, 8, 14])('are requested again after the transient gRPC code %i', async (code) => {
  await expect(registerSearchAttributes(refusing(code), 'default', recordedLog().log)).rejects.toMatchObject({
    code,
  });
});

it('are done without, with a warning, where one of these names has another type already', async () => {
  const customAttributes = { SessionAttention: KEYWORD };
  const add = () => Promise.reject(new Error('not to be asked for'));
  const connection = {
    operatorService: {
      listSearchAttributes: async () => ({ customAttributes }),
      addSearchAttributes: add,
    },
  } as never;
  const { log, lines } = recordedLog();
  expect(await registerSearchAttributes(connection, 'default', log)).toBe(false);
  expect(lines()).toMatchObject([{ level: 40, searchAttributes: ['SessionAttention'] }]);
  expect(String(lines()[0]?.msg)).toContain('SessionAttention=KeywordList');
});

it('are waited for until the server accepts them, and no longer', async () => {
  const fresh = await newNamespace();
  const { connection, config } = fresh;
  let usable = false;
  const waiting = untilSearchable(connection, config.namespace).then(() => {
    usable = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(usable).toBe(false);
  await registerSearchAttributes(connection, config.namespace, recordedLog().log);
  await waiting;
  await untilSearchable(connection, config.namespace);
  await fresh.close();
});

it('are left out of the start of a session while the server does not know them', async () => {
  const fresh = await newNamespace();
  const settings = { graceMs: 1_000, retentionMs: 1_000, searchAttributes: true };
  const { webhookReceived } = createSessions(fresh.client, { environmentId: 'env_1', settings });
  await webhookReceived('sesn_1', { eventId: 'whe_1', type: 'session.status_run_started' });
  const started = fresh.client.workflow.getHandle(sessionWorkflowId('sesn_1'));
  const { events } = await started.fetchHistory();
  const signals = events?.flatMap(
    (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
  );
  expect(signals).toEqual(['webhookReceived']);
  await fresh.close();
});
