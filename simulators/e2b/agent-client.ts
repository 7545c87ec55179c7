/** Client of the agent in a sandbox: HTTP over a unix socket. The sandbox can tamper with the socket's file. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Socket } from 'node:net';
import { agentSocket } from './isolation/box.ts';

/** Linux: opens the file itself, without following or reading it. */
const O_PATH = 0o10000000;

/** Thrown if the sandbox has no agent, or if the port is not open. */
export class Unreachable extends Error {}

/**
 * Calls `use` with a short path for the socket (socket paths have a length limit) that no link in the sandbox can
 * redirect. Throws Unreachable if there is no socket.
 */
function withSocketPath<T>(dir: string, use: (socketPath: string, release: () => void) => T): T {
  let fd: number;
  try {
    fd = openSync(agentSocket(dir), O_PATH | constants.O_NOFOLLOW);
  } catch {
    throw new Unreachable(`no agent in ${dir}`);
  }
  if (!fstatSync(fd).isSocket()) {
    closeSync(fd);
    throw new Unreachable(`no agent in ${dir}`);
  }
  let open = true;
  const release = () => {
    if (open) closeSync(fd);
    open = false;
  };
  return use(`/proc/self/fd/${fd}`, release);
}

/** Starts a request to the agent; the caller handles `response` and `error` and ends the request. */
export function agentRequest(dir: string, options: RequestOptions) {
  return withSocketPath(dir, (socketPath, release) => {
    const outgoing = request({ ...options, socketPath, agent: false });
    outgoing.once('socket', (socket) => socket.once('connect', release));
    outgoing.once('close', release);
    return outgoing;
  });
}

/** Sends JSON and returns the JSON of the answer, if any. Throws an error with the agent's message if it answers with one. */
export function callAgent(dir: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = agentRequest(dir, { method, path, headers: { 'content-type': 'application/json' } });
    outgoing.on('error', reject);
    outgoing.once('response', (answer) => readAnswer(answer).then(resolve, reject));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function readAnswer(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  if ((answer.statusCode ?? 500) < 300) return text ? JSON.parse(text) : undefined;
  throw new Error((JSON.parse(text) as { message?: string }).message ?? text);
}

/** A connection to a port inside the sandbox. Throws Unreachable if nothing listens there. */
export function connectPort(dir: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const outgoing = agentRequest(dir, { method: 'CONNECT', path: `127.0.0.1:${port}` });
    outgoing.on('error', () => reject(new Unreachable(`no agent in ${dir}`)));
    outgoing.once('connect', (answer, socket, head) => {
      // A server that speaks first may have sent data together with the answer.
      if (head.length > 0) socket.unshift(head);
      if (answer.statusCode === 200) return resolve(socket as Socket);
      socket.destroy();
      reject(new Unreachable(`port ${port} is not open`));
    });
    outgoing.end();
  });
}
