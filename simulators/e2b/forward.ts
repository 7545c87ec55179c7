/** Forwards a request or an upgraded connection to a sandbox, and its answer back. */
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { FaultAction } from '../common/faults.ts';
import { agentRequest, connectPort } from './agent-client.ts';
import { ENVD_PORT } from './data-auth.ts';
import type { SandboxRecord } from './record.ts';
import { applyStreamFault, isStreamFault } from './stream-faults.ts';

const SMALL_BODY_BYTES = 1024 * 1024;
/** Headers for the simulator, not for the sandbox. */
const ROUTING = ['e2b-sandbox-id', 'e2b-sandbox-port', 'e2b-traffic-access-token'];
const HOP = ['connection', 'keep-alive', 'proxy-connection', 'expect'];

/** Resolves when the answer has started. Throws Unreachable if the port is not open. */
export async function forwardRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
  record: SandboxRecord,
  port: number,
  fault: FaultAction | undefined,
  answerFault: (fault: FaultAction) => void,
): Promise<void> {
  const options = {
    method: incoming.method ?? 'GET',
    path: incoming.url ?? '/',
    headers: [
      ...forwardedHeaders(incoming, record, port),
      'Connection',
      port === ENVD_PORT ? 'close' : 'keep-alive',
    ],
  };
  const socket = port === ENVD_PORT ? undefined : await connectTo(record, port);
  // The client may have left while the port was being opened.
  if (response.destroyed) return void socket?.destroy();
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
  inner.on('error', () => incoming.socket.destroy());
  inner.on('aborted', () => incoming.socket.destroy());
  if (fault?.kind === 'late') {
    await delay(fault.latencyMs);
    if (response.destroyed) return;
  }
  if (fault?.kind === 'commit-then-status' || fault?.kind === 'commit-then-drop') {
    for await (const _ of inner);
    if (fault.kind === 'commit-then-drop') return void incoming.socket.destroy();
    return answerFault(fault);
  }
  response.writeHead(inner.statusCode ?? 502, inner.statusMessage, without(inner.rawHeaders, HOP));
  response.flushHeaders();
  if (fault && isStreamFault(fault.kind)) return applyStreamFault(fault.kind, inner, response);
  inner.pipe(response);
}

/** Connects a client that upgrades its connection to the port, and forwards bytes. Throws Unreachable. */
export async function forwardUpgrade(
  incoming: IncomingMessage,
  client: Duplex,
  head: Buffer,
  record: SandboxRecord,
  port: number,
): Promise<void> {
  const inner = await connectTo(record, port);
  if (client.destroyed) return void inner.destroy();
  const headers = [...forwardedHeaders(incoming, record, port), 'Connection', 'Upgrade'];
  const lines = pairs(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  inner.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  inner.write(head);
  for (const [from, to] of [
    [inner, client],
    [client, inner],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}

/** The template may declare ports that speak TLS; their certificates cannot be verified. */
async function connectTo({ dir, network }: SandboxRecord, port: number): Promise<Socket> {
  const socket = await connectPort(dir, port);
  const ports = network?.httpsPorts;
  if (!Array.isArray(ports) || !ports.includes(port)) return socket;
  return connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
}

/** Sends a small body in one write: a server may answer and close before a separate end of the body arrives. */
async function sendBody(incoming: IncomingMessage, outgoing: ClientRequest): Promise<void> {
  if (!(Number(incoming.headers['content-length']) <= SMALL_BODY_BYTES)) {
    incoming.pipe(outgoing);
    // A server that answers early stops reading, but the client's next request follows the rest of this body.
    outgoing.once('close', () => {
      incoming.unpipe(outgoing);
      incoming.resume();
    });
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  outgoing.end(Buffer.concat(chunks));
}

/** The client's headers in their order, without access tokens, which the sandbox must not see. */
function forwardedHeaders(
  { rawHeaders }: IncomingMessage,
  { network }: SandboxRecord,
  port: number,
): string[] {
  if (port === ENVD_PORT) return without(rawHeaders, [...HOP, ...ROUTING, 'x-access-token']);
  const kept = without(rawHeaders, [...HOP, ...ROUTING]);
  const mask = network?.maskRequestHost;
  if (typeof mask !== 'string' || mask === '') return kept;
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how E2B writes it
  return ['Host', mask.replaceAll('${PORT}', String(port)), ...without(kept, ['host'])];
}

function without(raw: string[], names: string[]): string[] {
  return pairs(raw)
    .filter(([name]) => !names.includes(name.toLowerCase()))
    .flat();
}

function pairs(raw: string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) list.push([raw[at] as string, raw[at + 1] as string]);
  return list;
}
