import type { Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerSearchAttributes, SEARCH_ATTRIBUTES } from '../../src/clients/temporal.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';
import { recordedLog } from './recorded-log.ts';

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
  expect(lines()).toMatchObject([{ searchAttributes: SEARCH_ATTRIBUTES }]);
  const { customAttributes } = await connection.operatorService.listSearchAttributes(config);
  expect(Object.keys(customAttributes).sort()).toEqual([...SEARCH_ATTRIBUTES].sort());
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
    expect(String(lines()[0]?.msg)).toContain(SEARCH_ATTRIBUTES.join(', '));
  },
);

it.each([4, 8, 14])('are requested again after the transient gRPC code %i', async (code) => {
  await expect(registerSearchAttributes(refusing(code), 'default', recordedLog().log)).rejects.toMatchObject({
    code,
  });
});
