// Bad input over real HTTP: the answer is always 4xx, no workflow is signalled, and memory does not grow.
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Corrupted, corruptedDeliveries } from './malformed-deliveries.ts';
import { eventBody, signed } from './signed-delivery.ts';
import { type TestApp, testApp } from './webhook-app.ts';

const SEED = 20_261_124;
const COUNT = 1_000;

let test: TestApp;
let port: number;

beforeAll(async () => {
  test = testApp();
  await test.app.listen({ host: '127.0.0.1', port: 0 });
  port = (test.app.server.address() as AddressInfo).port;
});
afterAll(() => test.app.close());

/** The status of the answer, which may arrive before the whole body is sent. */
async function send({ method, headers, payload }: Omit<Corrupted, 'how'>): Promise<number> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/webhook',
    method,
    agent: false,
    headers: { ...headers, 'content-length': payload.length },
  });
  const answered = once(sent, 'response');
  sent.on('error', () => undefined);
  sent.end(payload);
  const [response] = await answered;
  await text(response).catch(() => undefined);
  return response.statusCode;
}

/** The server's answer to raw bytes, which may not be HTTP. */
async function sendRaw(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.end(bytes);
  return (await text(socket)).split('\r\n')[0] as string;
}

async function sendAll(seed: number): Promise<{ how: string; status: number }[]> {
  const answers = [];
  const deliveries = corruptedDeliveries(test.key, seed);
  for (let count = 0; count < COUNT; count += 1) {
    const { value } = deliveries.next();
    answers.push({ how: value.how, status: await send(value) });
  }
  return answers;
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

it(`answers 4xx to each of ${COUNT} malformed deliveries and sends no signal`, async () => {
  const answers = await sendAll(SEED);
  expect(answers.filter(({ status }) => status < 400 || status >= 500)).toEqual([]);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 401, 404, 413, 415, 431]));
  expect(new Set(answers.map(({ how }) => how)).size).toBe(20);
  expect(test.signals).toEqual([]);
}, 120_000);

it('keeps no memory of malformed deliveries', async () => {
  const before = heapUsed();
  const logged = test.lines().length;
  await sendAll(SEED + 1);
  const { refused, deliveries } = (await test.app.inject('/health')).json();
  expect(Object.keys(refused).length).toBeLessThan(12);
  expect(deliveries).toEqual({});
  // Only the test's own record of log lines may grow.
  const bytesPerLine = 1_000;
  const ownGrowth = (test.lines().length - logged) * bytesPerLine;
  expect(heapUsed() - before).toBeLessThan(ownGrowth + 4 * 1024 * 1024);
}, 120_000);

it('logs neither keys nor bodies', () => {
  const log = JSON.stringify(test.lines());
  expect(log).not.toContain(test.key.slice('whsec_'.length));
  expect(log).not.toContain('wrkspc_1');
  expect(log).not.toContain('sesn_1');
});

it('refuses bytes that are not HTTP, and requests that contradict themselves', async () => {
  const post = 'POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  expect(await sendRaw('\u0016\u0003\u0001 hello\r\n\r\n')).toMatch(/ 400 /);
  expect(await sendRaw(`${post}content-length: x\r\n\r\n{}`)).toMatch(/ 400 /);
  expect(await sendRaw(`${post}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`)).toMatch(/ 400 /);
  expect(await sendRaw(`${post}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n`)).toMatch(/ 400 /);
  expect(test.signals).toEqual([]);
});

it('survives a sender that disconnects in the middle of a body, and still accepts valid deliveries', async () => {
  for (let count = 0; count < 20; count += 1) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"type"',
    );
    socket.destroy();
  }
  const good = signed(test.key, eventBody('session.status_run_started', 'whe_1'));
  expect(await send({ method: 'POST', ...good })).toBe(204);
  expect(test.signals).toHaveLength(1);
});
