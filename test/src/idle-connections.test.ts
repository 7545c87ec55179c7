// Connections to the services stay open while a model thinks. A request that meets one which the server closes in that
// very moment fails, and is never sent again behind the back of the activity that knows whether that is safe.
import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { APIConnectionError } from '@anthropic-ai/sdk';
import { afterAll, describe, expect, it } from 'vitest';
import { createAnthropic } from '../../src/clients/anthropic.ts';
import { keepingAtMost } from '../../src/clients/idle-connections.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import { Toolhost } from '../../src/clients/toolhost.ts';

/** Node's own dispatcher keeps an idle connection for four seconds. */
const THINKING_MS = 5_500;
const CALL = { name: 'bash', input: {}, timeoutMs: 1_000 };
const signal = new AbortController().signal;

interface Front {
  url: string;
  /** Connections that clients have opened so far. */
  connections: number;
  asked: string[];
}

const servers = new Set<Server>();
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that announces no time for idle connections, like the front ends of the services. */
async function serve(handler: Handler = answer): Promise<Front> {
  const front: Front = { url: '', connections: 0, asked: [] };
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    front.asked.push(`${request.method} ${request.url?.split('?')[0]}`);
    request.resume();
    response.setHeader('content-type', 'application/json');
    handler(request, response);
  });
  server.on('connection', () => {
    front.connections += 1;
  });
  servers.add(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  front.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return front;
}

/** What the API answers, and the toolhost for a call that has ended. */
function answer({ url }: IncomingMessage, response: ServerResponse): void {
  const id = /calls\/([^/?]+)/.exec(url ?? '')?.[1];
  const call = { id, state: 'finished', result: { content: [], isError: false } };
  response.end(JSON.stringify(id ? call : { data: [] }));
}

/** Answers the first request of each connection, and closes the connection at the second. */
function closingReused(): Handler {
  const used = new WeakSet<object>();
  return (request, response) => {
    if (used.has(request.socket)) return void request.socket.destroy();
    used.add(request.socket);
    answer(request, response);
  };
}

const announcing: Handler = (request, response) => {
  response.setHeader('connection', 'keep-alive').setHeader('keep-alive', 'timeout=3');
  answer(request, response);
};

function clientsOf({ url }: Front) {
  const anthropic = { environmentId: 'env_1', environmentKey: 'key', webhookSigningKeys: [], baseUrl: url };
  return createAnthropic({ anthropic });
}

const toolhostOf = ({ url }: Front) => new Toolhost({ origin: url, headers: {} });

describe.concurrent('after a model has thought', () => {
  it.each([
    ['is reused', answer, 1],
    ['is not reused if the server announced a shorter time', announcing, 2],
  ])('a connection to the API %s', async (_what, handler, connections) => {
    const front = await serve(handler);
    const { environment, withToken } = clientsOf(front);
    await environment.beta.sessions.events.send('sesn_1', { events: [] });
    await sleep(THINKING_MS);
    // Clients for other credentials share it.
    await withToken('token').beta.sessions.events.send('sesn_1', { events: [] });
    expect(front.asked).toHaveLength(2);
    expect(front.connections).toBe(connections);
  });

  it.each([
    ['is reused', answer, 1],
    ['is not reused if a shorter time was announced', announcing, 2],
  ])('a connection to a sandbox %s', async (_what, handler, connections) => {
    const front = await serve(handler);
    await toolhostOf(front).start('sevt_1', CALL, 0, signal);
    await sleep(THINKING_MS);
    await toolhostOf(front).start('sevt_2', CALL, 0, signal);
    expect(front.connections).toBe(connections);
  });
});

describe('a request on a connection that the server closes in that moment', () => {
  it.each([
    ['a call', 'PUT /calls/sevt_2', (toolhost: Toolhost) => toolhost.start('sevt_2', CALL, 0, signal)],
    ['the wait for a call', 'GET /calls/sevt_2', (toolhost: Toolhost) => toolhost.read('sevt_2', 0, signal)],
    ['a change of memory', 'POST /memory/m/changes', (toolhost: Toolhost) => toolhost.changeMemory('m', {})],
  ])('is sent once: %s', async (_what, request, send) => {
    const front = await serve(closingReused());
    const toolhost = toolhostOf(front);
    await toolhost.start('sevt_1', CALL, 0, signal);
    await expect(send(toolhost)).rejects.toThrow(SandboxHttpError);
    expect(front.asked).toEqual(['PUT /calls/sevt_1', request]);
  });

  const EVENTS = '/v1/sessions/sesn_1/events';
  it.each([
    ['POST', `POST ${EVENTS}`],
    ['GET', `GET ${EVENTS}`],
  ])('is sent once: %s of events', async (method, request) => {
    const front = await serve(closingReused());
    const { events } = clientsOf(front).environment.beta.sessions;
    await events.send('sesn_1', { events: [] });
    // The connection becomes idle after the answer.
    await sleep(50);
    const send = () => (method === 'GET' ? events.list('sesn_1') : events.send('sesn_1', { events: [] }));
    await expect(send()).rejects.toThrow(APIConnectionError);
    expect(front.asked).toEqual([`POST ${EVENTS}`, request]);
  });
});

it('no more idle connections are kept than allowed, of all hosts together', async () => {
  const agent = keepingAtMost(1, new Agent({ keepAlive: true }));
  const ask = async ({ url }: Front) => {
    const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage];
    await once(response.resume(), 'close');
  };
  const [kept, closed] = [await serve(), await serve()];
  for (const front of [kept, closed, kept, closed]) await ask(front);
  expect([kept.connections, closed.connections]).toEqual([1, 2]);
  agent.destroy();
});
