// Requests that the webhook server refuses although their signature is right.
import { afterEach, expect, it } from 'vitest';
import { eventBody, signed } from './signed-delivery.ts';
import { type TestApp, testApp } from './webhook-app.ts';

const RUN_STARTED = 'session.status_run_started';

let test: TestApp;
const use = (): TestApp => {
  test = testApp();
  return test;
};
afterEach(() => test.app.close());

const event = () => signed(test.key, eventBody(RUN_STARTED, 'whe_1', 'sesn_1'), { id: 'whe_1' });

it('400 for a signed webhook-id that is not the id of the event', async () => {
  const { deliver, signals } = use();
  const answer = await deliver(signed(test.key, eventBody(RUN_STARTED, 'whe_1'), { id: 'whe_2' }));
  expect(answer).toMatchObject({ status: 400, code: 'id_mismatch' });
  expect(signals).toEqual([]);
});

it.each([
  ['no JSON', '{"type":"event"', 'invalid_json'],
  ['nothing', '', 'invalid_json'],
  ['JSON that is no object', '[]', 'invalid_event'],
  ['null', 'null', 'invalid_event'],
  ['an event without data', '{"type":"event","id":"whe_1"}', 'invalid_event'],
  ['another type', eventBody(RUN_STARTED, 'whe_1').replace('"event"', '"message"'), 'invalid_event'],
  ['an id with a path in it', eventBody(RUN_STARTED, 'whe_1', '../../x'), 'invalid_event'],
  ['an id that is too long', eventBody(RUN_STARTED, 'whe_1', 'x'.repeat(129)), 'invalid_event'],
  ['an id that is a number', eventBody(RUN_STARTED, 'whe_1').replace('"sesn_1"', '7'), 'invalid_event'],
  ['deep nesting', '['.repeat(200_000) + ']'.repeat(200_000), 'invalid_event'],
])('400 for a signed body with %s', async (_what, body, code) => {
  const { deliver, signals } = use();
  expect(await deliver(signed(test.key, body))).toMatchObject({ status: 400, code });
  expect(signals).toEqual([]);
});

it('413 for more than 1 MiB, but not for exactly 1 MiB', async () => {
  const { deliver } = use();
  const ofSize = (bytes: number) => {
    const body = eventBody(RUN_STARTED, 'whe_1');
    return signed(test.key, body + ' '.repeat(bytes - body.length));
  };
  expect(await deliver(ofSize(1024 * 1024 + 1))).toMatchObject({ status: 413, code: 'too_large' });
  expect((await deliver(ofSize(1024 * 1024))).status).toBe(204);
});

it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'nonsense', undefined])(
  '415 for the content type %s',
  async (type) => {
    const { deliver } = use();
    expect((await deliver(event(), { 'content-type': type })).status).toBe(415);
  },
);

it('415 for a compressed body', async () => {
  const { deliver } = use();
  const answer = await deliver(event(), { 'content-encoding': 'gzip' });
  expect(answer).toMatchObject({ status: 415, code: 'unsupported_encoding' });
});

it('404 for another address or method', async () => {
  const { app } = use();
  expect((await app.inject('/')).statusCode).toBe(404);
  expect((await app.inject('/webhook')).statusCode).toBe(404);
  expect((await app.inject({ method: 'PUT', url: '/webhook', payload: '{}' })).statusCode).toBe(404);
});
