// The public address of a router inside E2B: passes deliveries on to the webhook server.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Delivery {
  sessionId: string;
  /** What the router answered; 502 if the delivery did not reach it. */
  status: number;
}

export interface Edge {
  /** Address of `/webhook`. */
  url: string;
  deliveries: Delivery[];
  close(): void;
}

const CONNECT_WITHIN_MS = 10_000;
const RETRY_MS = 100;

/** @param admit called for each delivery before it is passed on; false refuses it */
export async function startEdge(port: number, admit: () => boolean): Promise<Edge> {
  const deliveries: Delivery[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const status = admit() ? await pass(port, request.headers as Record<string, string>, body) : 502;
    deliveries.push({ sessionId: JSON.parse(body.toString()).data.id, status });
    response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhook`,
    deliveries,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function pass(port: number, headers: Record<string, string>, body: Buffer): Promise<number> {
  const signed = Object.entries(headers).filter(([name]) => /^(content-type|webhook-.*)$/.test(name));
  for (const end = Date.now() + CONNECT_WITHIN_MS; ; await sleep(RETRY_MS)) {
    try {
      const init = { method: 'POST', headers: Object.fromEntries(signed), body: new Uint8Array(body) };
      return (await fetch(`http://127.0.0.1:${port}/webhook`, init)).status;
    } catch {
      if (Date.now() > end) return 502;
    }
  }
}
