// Sends HTTP requests that were written in advance, over connections that stay open. `fetch` takes as much CPU for a request
// as the webhook server does; what is sent from another machine must not slow down what is measured on this one.
import { connect, type Socket } from 'node:net';
import type { SignedDelivery } from '../deliver.ts';

const END_OF_HEAD = '\r\n\r\n';

/** @returns the bytes of the request */
export function requestOf(url: string, { headers, body }: SignedDelivery): Buffer {
  const { host, pathname } = new URL(url);
  const lines = Object.entries({ host, ...headers, 'content-length': Buffer.byteLength(body) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`POST ${pathname} HTTP/1.1\r\n${head}\r\n${body}`);
}

/** Connections to one server; each carries one request at a time. */
export class HttpSender {
  readonly #url: URL;
  readonly #idle: Socket[] = [];
  readonly #open = new Set<Socket>();

  constructor(url: string) {
    this.#url = new URL(url);
  }

  /** Resolves at an answer of 204, which has no body. @throws Error for every other answer, and if the connection breaks */
  async send(request: Buffer): Promise<void> {
    const socket = this.#idle.pop() ?? this.#connect();
    const answer = await new Promise<string>((resolve, reject) => {
      let received = '';
      const done = (settle: () => void) => {
        socket.removeAllListeners();
        socket.on('error', () => undefined);
        settle();
      };
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        if (received.includes(END_OF_HEAD)) done(() => resolve(received));
      });
      socket.on('error', (error) => done(() => reject(error)));
      socket.on('close', () => done(() => reject(new Error('the server has closed the connection'))));
      socket.write(request);
    });
    if (!answer.startsWith('HTTP/1.1 204') || !answer.endsWith(END_OF_HEAD)) {
      socket.destroy();
      throw new Error(`a delivery was answered ${answer}`);
    }
    this.#idle.push(socket);
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #connect(): Socket {
    const socket = connect(Number(this.#url.port), this.#url.hostname).setNoDelay(true);
    this.#open.add(socket);
    return socket;
  }
}
