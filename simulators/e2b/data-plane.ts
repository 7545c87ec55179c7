/** Data plane: authorises requests to sandboxes, applies faults, forwards them, and answers for absent sandboxes. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultAction, Faults } from '../common/faults.ts';
import { Unreachable } from './agent-client.ts';
import { ApiError, errorBody } from './api-error.ts';
import { closedPortPage, isBrowser } from './closed-port-page.ts';
import { ENVD_PORT, refusal } from './data-auth.ts';
import { forwardRequest, forwardUpgrade } from './forward.ts';
import type { SandboxLogs } from './logs.ts';
import type { SandboxRecord } from './record.ts';
import type { Target } from './target.ts';

type Refusal = Record<string, unknown>;

export class DataPlane {
  readonly #faults: Faults;
  readonly #find: (id: string) => SandboxRecord | undefined;
  readonly #wake: (id: string) => Promise<SandboxRecord | undefined>;
  readonly #logs: SandboxLogs;
  /** Requests in flight by sandbox id, as functions that end them; not those that still wait for a pause to end. */
  readonly #inFlight = new Map<string, Set<() => void>>();

  /** `find` only reads; `wake` returns the sandbox if it can take traffic, and resumes it if its settings allow. */
  constructor(
    faults: Faults,
    find: (id: string) => SandboxRecord | undefined,
    wake: (id: string) => Promise<SandboxRecord | undefined>,
    logs: SandboxLogs,
  ) {
    this.#logs = logs;
    this.#faults = faults;
    this.#find = find;
    this.#wake = wake;
  }

  /** Closes the connections of all requests in flight for this sandbox. */
  cutConnections(id: string): void {
    for (const end of this.#inFlight.get(id) ?? []) end();
  }

  async serve(incoming: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const { id, port } = target;
    try {
      const refused = this.#refusal(incoming, target);
      if (refused) return answer(incoming, response, refused);
      const fault = this.#faults.take(port === ENVD_PORT ? 'envd' : 'port', `${id} ${port} ${incoming.url}`);
      if (fault?.latencyMs && fault.kind !== 'late') await delay(fault.latencyMs);
      if (fault?.kind === 'drop') return void incoming.socket.destroy();
      if (fault?.kind === 'status') return answerFault(incoming, response, fault);
      const record = await this.#wake(id);
      if (!record) return answer(incoming, response, sandboxNotFound(id));
      if (response.destroyed) return;
      response.once('close', this.#trackInFlight(id, incoming.socket));
      if (port === ENVD_PORT) this.#logRequest(id, incoming, response);
      await forwardRequest(incoming, response, record, port, fault, (late) =>
        answerFault(incoming, response, late),
      );
    } catch (error) {
      if (response.headersSent || response.destroyed) return void incoming.socket.destroy();
      answer(incoming, response, this.#failure(target, error as Error));
    }
  }

  /** Serves an upgraded connection, such as a WebSocket. */
  async upgrade(incoming: IncomingMessage, client: Duplex, head: Buffer, target: Target): Promise<void> {
    const { id, port } = target;
    client.on('error', () => client.destroy());
    try {
      const refused = this.#refusal(incoming, target);
      if (refused) return refuseUpgrade(client, refused);
      if (port === ENVD_PORT) return refuseUpgrade(client, errorBody(404, 'not found'));
      const record = await this.#wake(id);
      if (!record) return refuseUpgrade(client, sandboxNotFound(id));
      if (client.destroyed) return;
      client.once('close', this.#trackInFlight(id, client));
      await forwardUpgrade(incoming, client, head, record, port);
    } catch (error) {
      refuseUpgrade(client, this.#failure(target, error as Error));
    }
  }

  /** Logs method and path of requests to envd, never their content. */
  #logRequest(id: string, { method = '', url = '/' }: IncomingMessage, response: ServerResponse): void {
    const [path = '/'] = url.split('?');
    if (path === '/health') return;
    response.once('close', () => {
      const status = response.statusCode;
      this.#logs.add(id, status < 500 ? 'info' : 'error', `${method} ${path}`, { status: String(status) });
    });
  }

  #refusal(incoming: IncomingMessage, { id, port }: Target): Refusal | undefined {
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      return errorBody(400, 'e2b-sandbox-port must be a port');
    const record = this.#find(id);
    return record ? refusal(incoming, record, port) : sandboxNotFound(id);
  }

  #failure({ id, port }: Target, error: Error): Refusal {
    if (error instanceof ApiError) return { sandboxId: id, ...error.body };
    if (!(error instanceof Unreachable)) return { ...sandboxNotFound(id), message: error.message };
    const open = this.#find(id)?.state === 'running' && port !== ENVD_PORT;
    return open
      ? { ...sandboxNotFound(id), port, message: 'The sandbox is running but port is not open' }
      : sandboxNotFound(id);
  }

  #trackInFlight(id: string, client: Duplex): () => void {
    const all = this.#inFlight.get(id) ?? new Set();
    const end = () => void client.destroy();
    this.#inFlight.set(id, all.add(end));
    return () => {
      all.delete(end);
      if (all.size === 0 && this.#inFlight.get(id) === all) this.#inFlight.delete(id);
    };
  }
}

/** Sends an injected error, with the rule's body if it has one. */
function answerFault(incoming: IncomingMessage, response: ServerResponse, fault: FaultAction): void {
  if (fault.retryAfter !== undefined) response.setHeader('retry-after', String(fault.retryAfter));
  incoming.resume();
  const body = JSON.stringify(fault.body ?? errorBody(fault.status, 'injected fault'));
  response.writeHead(fault.status, { 'content-type': 'application/json' }).end(body);
}

/** Sends an error whose status is the `code` of the body. Browsers get a page about a closed port instead. */
function answer(incoming: IncomingMessage, response: ServerResponse, body: Refusal): void {
  incoming.resume();
  const status = body.code as number;
  if (body.port !== undefined && isBrowser(incoming)) {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
    response.end(closedPortPage(String(body.sandboxId), body.port as number));
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuseUpgrade(client: Duplex, body: Refusal): void {
  const text = JSON.stringify(body);
  const status = body.code as number;
  client.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

function sandboxNotFound(sandboxId: string): Refusal {
  return { sandboxId, message: 'The sandbox was not found', code: 502 };
}
