/** Traffic into the sandboxes: finds the sandbox and port a request is for, and carries it there. */
import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultAction, Faults } from '../common/faults.ts';
import { agentRequest, connectPort, Unreachable } from './agent-client.ts';
import { errorBody } from './api-error.ts';
import { ENVD_PORT, refusal } from './data-auth.ts';
import type { SandboxRecord } from './record.ts';

export interface Target {
  id: string;
  port: number;
}

const SMALL_BODY_BYTES = 1024 * 1024;
const HOST_NAME = /^(\d{1,5})-(i[a-z0-9]+)\./;
const NOT_CARRIED = [
  'e2b-sandbox-id',
  'e2b-sandbox-port',
  'e2b-traffic-access-token',
  'x-access-token',
  'connection',
  'keep-alive',
];

/** By the routing headers that the SDK sends, else by the host name `<port>-<id>.…`; null for the control plane. */
export function targetOf({ headers }: IncomingMessage): Target | null {
  const id = headers['e2b-sandbox-id'];
  if (typeof id === 'string') return { id, port: Number(headers['e2b-sandbox-port']) };
  const [, port, name] = HOST_NAME.exec(headers.host ?? '') ?? [];
  return name ? { id: name, port: Number(port) } : null;
}

export class DataPlane {
  readonly #faults: Faults;
  readonly #find: (id: string) => SandboxRecord | undefined;
  readonly #awake: (id: string) => Promise<SandboxRecord | undefined>;
  readonly #clients = new Map<string, Set<Duplex>>();

  /** `find` looks only; `awake` gives a sandbox that can take traffic, waking it if that is allowed. */
  constructor(
    faults: Faults,
    find: (id: string) => SandboxRecord | undefined,
    awake: (id: string) => Promise<SandboxRecord | undefined>,
  ) {
    this.#faults = faults;
    this.#find = find;
    this.#awake = awake;
  }

  /** Cuts every connection that a client has into this sandbox. */
  cut(id: string): void {
    for (const client of this.#clients.get(id) ?? []) client.destroy();
  }

  async serve(incoming: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const { id, port } = target;
    const leave = this.#enter(id, incoming.socket);
    response.once('close', leave);
    try {
      const refused = this.#refusal(incoming, target);
      if (refused) return answer(incoming, response, refused.code as number, refused);
      const fault = this.#faults.take(port === ENVD_PORT ? 'envd' : 'port', `${id} ${port} ${incoming.url}`);
      if (fault?.latencyMs) await delay(fault.latencyMs);
      if (fault?.kind === 'drop') return void incoming.socket.destroy();
      if (fault?.kind === 'status') return answerFault(incoming, response, fault);
      const record = await this.#awake(id);
      if (!record) return answer(incoming, response, 502, gone(id));
      await carry(incoming, response, record, port, fault);
    } catch (error) {
      if (response.headersSent || response.destroyed) return void incoming.socket.destroy();
      if (!(error instanceof Unreachable))
        return answer(incoming, response, 502, { ...gone(id), message: (error as Error).message });
      const open = this.#find(id)?.state === 'running' && port !== ENVD_PORT;
      answer(
        incoming,
        response,
        502,
        open ? { ...gone(id), port, message: 'The sandbox is running but port is not open' } : gone(id),
      );
    }
  }

  /** Upgraded connections (web sockets) are carried byte by byte. */
  async upgrade(incoming: IncomingMessage, client: Duplex, head: Buffer, target: Target): Promise<void> {
    const { id, port } = target;
    client.on('error', () => client.destroy());
    const refused = this.#refusal(incoming, target);
    const record = refused ? undefined : await this.#awake(id);
    if (!record || port === ENVD_PORT) {
      client.end(`HTTP/1.1 ${refused?.code ?? 502} Refused\r\nconnection: close\r\n\r\n`);
      return;
    }
    const inner = await connectPort(record.dir, port).catch(() => undefined);
    if (!inner) return void client.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n');
    client.once('close', this.#enter(id, client));
    const lines = Object.entries(carried(incoming, true)).map(([name, value]) => `${name}: ${value}\r\n`);
    inner.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
    inner.write(head);
    joinStreams(inner, client);
  }

  #refusal(incoming: IncomingMessage, { id, port }: Target): Record<string, unknown> | undefined {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      return errorBody(400, 'e2b-sandbox-port must be a port');
    const record = this.#find(id);
    return record ? refusal(incoming, record, port) : gone(id);
  }

  #enter(id: string, client: Duplex): () => void {
    const clients = this.#clients.get(id) ?? new Set();
    this.#clients.set(id, clients.add(client));
    return () => {
      clients.delete(client);
      if (clients.size === 0 && this.#clients.get(id) === clients) this.#clients.delete(id);
    };
  }
}

async function carry(
  incoming: IncomingMessage,
  response: ServerResponse,
  record: SandboxRecord,
  port: number,
  fault: FaultAction | undefined,
): Promise<void> {
  const options = {
    method: incoming.method ?? 'GET',
    path: incoming.url ?? '/',
    headers: carried(incoming, false),
  };
  const socket: Socket | undefined = port === ENVD_PORT ? undefined : await connectPort(record.dir, port);
  const outgoing = socket
    ? request({ ...options, createConnection: () => socket })
    : agentRequest(record.dir, options);
  response.once('close', () => outgoing.destroy());
  outgoing.once('socket', (used) => response.once('close', () => used.destroy()));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
  const [inner] = await Promise.all([answered, sendBody(incoming, outgoing)]);
  if (fault?.kind === 'commit-then-status' || fault?.kind === 'commit-then-drop') {
    for await (const _ of inner);
    if (fault.kind === 'commit-then-drop') return void incoming.socket.destroy();
    return answerFault(incoming, response, fault);
  }
  const { connection: _c, 'keep-alive': _k, ...headers } = inner.headers;
  response.writeHead(inner.statusCode ?? 502, headers as OutgoingHttpHeaders);
  response.flushHeaders();
  inner.on('error', () => incoming.socket.destroy());
  inner.on('aborted', () => incoming.socket.destroy());
  if (fault?.kind === 'cut-stream') {
    inner.once('data', (chunk: Buffer) => response.write(chunk, () => incoming.socket.destroy()));
    return;
  }
  inner.pipe(response);
}

/** In one write if it is small: a server may answer and close before a separate end of the body arrives. */
async function sendBody(incoming: IncomingMessage, outgoing: ClientRequest): Promise<void> {
  if (!(Number(incoming.headers['content-length']) <= SMALL_BODY_BYTES)) {
    incoming.pipe(outgoing);
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  outgoing.end(Buffer.concat(chunks));
}

function carried({ headers }: IncomingMessage, upgrade: boolean): OutgoingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !NOT_CARRIED.includes(name));
  return { ...Object.fromEntries(kept), connection: upgrade ? 'Upgrade' : 'keep-alive' };
}

function answerFault(incoming: IncomingMessage, response: ServerResponse, fault: FaultAction): void {
  if (fault.retryAfter !== undefined) response.setHeader('retry-after', String(fault.retryAfter));
  answer(incoming, response, fault.status, fault.body ?? errorBody(fault.status, 'injected fault'));
}

function answer(incoming: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  incoming.resume();
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function gone(sandboxId: string): Record<string, unknown> {
  return { sandboxId, message: 'The sandbox was not found', code: 502 };
}

function joinStreams(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}
