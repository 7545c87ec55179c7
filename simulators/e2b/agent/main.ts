/**
 * The program inside every local sandbox that simulates E2B's envd: commands, files and ports, over a unix socket
 * that only the simulator can reach. It runs as the sandbox's root and knows no credential.
 */
import { chmodSync, closeSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type RpcMethods, readBody, sendJson, serveRpc } from './connect-rpc.ts';
import { download } from './download.ts';
import { type BootSettings, Environment } from './environment.ts';
import { filesystemMethods } from './filesystem-service.ts';
import { writeIdentity } from './identity.ts';
import { measure } from './metrics.ts';
import { HostPorts, relayToPort } from './port-relay.ts';
import { processMethods } from './process-service.ts';
import { Commands } from './processes.ts';
import { RpcError, toRpcError } from './rpc-error.ts';
import { runStartCommand } from './start-command.ts';
import { SystemHelper } from './system-helper.ts';
import { upload } from './upload.ts';
import { findUser, type User } from './users.ts';
import { watchMethods } from './watch-service.ts';

const FOLDER = '/run/e2b';
const READY_FD = 4;

const environment = new Environment();
const hostPorts = new HostPorts(FOLDER);
const processes = processMethods(new Commands(), environment);
const helper = new SystemHelper();
const watching = watchMethods(helper);
const methods: RpcMethods = {
  unary: { ...processes.unary, ...filesystemMethods(helper), ...watching.unary },
  stream: { ...processes.stream, ...watching.stream },
  input: processes.input,
};

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sandbox');
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /health') return void response.writeHead(204).end();
  if (route === 'POST /_boot') {
    environment.settings = JSON.parse((await readBody(request)).toString()) as BootSettings;
    await writeIdentity(FOLDER, environment.settings);
    await runStartCommand(environment);
    return void response.writeHead(204).end();
  }
  if (route === 'PUT /_host-ports') {
    await hostPorts.set(JSON.parse((await readBody(request)).toString()) as number[]);
    return void response.writeHead(204).end();
  }
  if (route === 'GET /metrics') return sendJson(response, 200, await measure());
  if (route === 'GET /envs') return sendJson(response, 200, environment.settings.sandboxEnv);
  if (url.pathname === '/files') {
    const user = findUser(url.searchParams.get('username') || environment.settings.user);
    const path = url.searchParams.get('path');
    if (request.method === 'GET') return download(path ?? '', user, request, response);
    if (request.method === 'POST') return upload(request, response, user, path, helper);
  }
  if (request.method === 'POST' && /^\/[\w.]+\.\w+\/\w+$/.test(url.pathname)) {
    return serveRpc(methods, url.pathname, request, response, () => userOf(request));
  }
  throw new RpcError('unimplemented', `the local E2B simulator does not offer ${route}`);
}

/** Clients name the user by basic authentication without a password. */
function userOf(request: IncomingMessage): User {
  const [, encoded = ''] = /^Basic (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const name = Buffer.from(encoded, 'base64').toString().split(':')[0];
  return findUser(name || environment.settings.user);
}

// The sandbox ends with this process, so it survives its own errors and logs them.
process.on('uncaughtException', (error) => process.stderr.write(`agent: ${error.stack}\n`));

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    const { status, message } = toRpcError(error);
    if (response.headersSent) response.destroy();
    else sendJson(response, status, { code: status, message });
  });
});
// Commands and uploads have no time limit.
server.requestTimeout = 0;
server.on('connect', (request, socket, head) => relayToPort(request.url ?? '', socket, head));
server.listen(`${FOLDER}/agent.sock`, () => {
  chmodSync(`${FOLDER}/agent.sock`, 0o600);
  writeSync(READY_FD, 'ready\n');
  closeSync(READY_FD);
});
