import type { Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import {
  NAMED_SEARCH_ATTRIBUTES,
  registerSearchAttributes,
  SearchAttributes,
} from '../../src/clients/search-attributes.ts';
import { createSessions } from '../../src/clients/sessions.ts';
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
  return {
    operatorService: { listSearchAttributes: refuse, addSearchAttributes: refuse },
    workflowService: { describeNamespace: async () => ({}) },
  } as never;
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

it('a namespace that does not exist is said to be missing, and is asked for again', async () => {
  const { connection } = test;
  const { log, lines } = recordedLog();
  const attributes = new SearchAttributes(connection, 'no-such-namespace', log);
  for (let time = 0; time < 2; time++)
    await expect(attributes.ask()).rejects.toMatchObject({
      code: 5,
      details: expect.stringContaining('not found'),
    });
  expect(lines()).toEqual([]);
});

afterEach(() => vi.useRealTimers());

it('a refusal is not kept for ever: the server is asked again, and warned of once', async () => {
  vi.useFakeTimers();
  const { log, lines } = recordedLog();
  let allowed = false;
  const list = async () => {
    if (!allowed) throw Object.assign(new Error('refused'), { code: 7, details: 'refused', metadata: {} });
    return {
      customAttributes: Object.fromEntries(
        SEARCH_ATTRIBUTES.map(({ name, type }) => [name, type === 'KEYWORD' ? KEYWORD : KEYWORD_LIST]),
      ),
    };
  };
  const connection = {
    operatorService: { listSearchAttributes: list },
    workflowService: { describeNamespace: async () => ({}) },
  } as never;
  const attributes = new SearchAttributes(connection, 'default', log);
  expect(await attributes.ask()).toBe(false);
  vi.advanceTimersByTime(61_000);
  expect(await attributes.ask()).toBe(false);
  expect(lines().filter(({ level }) => level === 40)).toHaveLength(1);
  allowed = true;
  expect(await attributes.ask()).toBe(false);
  vi.advanceTimersByTime(61_000);
  expect(await attributes.ask()).toBe(true);
  expect(attributes.known).toBe(true);
});

/** The error of a server whose frontend has not read the new attributes yet. */
function notYet(): Error {
  const cause = Object.assign(new Error('3 INVALID_ARGUMENT'), {
    code: 3,
    details: 'Namespace fresh has no mapping defined for search attribute EnvironmentId',
    metadata: {},
  });
  return new Error('Failed to signalWithStart Workflow', { cause });
}

it('a session starts without them while the server does not know them yet, and gets them by its work item', async () => {
  const starts: {
    args: [{ settings: { searchAttributes: boolean } }];
    signalArgs: unknown[];
    typedSearchAttributes?: unknown;
  }[] = [];
  const client = {
    workflow: {
      signalWithStart: async (_type: string, options: (typeof starts)[number]) => {
        if (options.typedSearchAttributes) throw notYet();
        starts.push(options);
      },
    },
  } as never;
  const settings = { graceMs: 1, retentionMs: 1, searchAttributes: true };
  const sessions = createSessions(client, { environmentId: 'env_1', settings });
  await sessions.webhookReceived('sesn_1', { eventId: 'whe_1', type: 'session.status_run_started' });
  expect(starts).toMatchObject([{ args: [{ settings: { searchAttributes: false } }] }]);
  await sessions.workClaimed('sesn_1', { workId: 'work_1', sealedSecret: null });
  expect(starts[1]?.signalArgs).toMatchObject([{ start: { settings: { searchAttributes: true } } }]);
});
