import type { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NAMED_SEARCH_ATTRIBUTES, registerSearchAttributes } from '../../src/clients/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
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
