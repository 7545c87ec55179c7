/** Finds the sandbox and port that a request is for. */
import type { IncomingMessage } from 'node:http';
import { ENVD_PORT, isSigned } from './data-auth.ts';
import type { SandboxRecord } from './record.ts';

export interface Target {
  id: string;
  port: number;
}

/** `<port>-<sandbox>.<any domain>`; older clients append `-<client id>` to the sandbox id. */
const HOST_NAME = /^(\d{1,5})-(i[a-z0-9]+)(?:-[a-z0-9]+)?\./i;

/** `api.<domain>`: the control plane, for clients that are configured with a domain instead of URLs. */
const API_HOST = /^api\.(.+)$/i;

/** The domain of sandbox host names for this client; `own` for a client that uses the simulator's URL. */
export function domainFor({ headers }: IncomingMessage, own: string): string {
  return API_HOST.exec(headers.host ?? '')?.[1] ?? own;
}

/**
 * Reads the target from the host name, else from the SDK's routing headers, else from the signature of a file URL
 * (which names no sandbox when all share one origin). Returns null for the control plane; some SDKs send it routing
 * headers, too.
 */
export function targetOf(
  { headers, url = '/', method }: IncomingMessage,
  all: () => SandboxRecord[],
): Target | null {
  const [, port, name] = HOST_NAME.exec(headers.host ?? '') ?? [];
  if (name) return { id: name.toLowerCase(), port: Number(port) };
  if (API_HOST.test(headers.host ?? '')) return null;
  const id = headers['e2b-sandbox-id'];
  const isEnvd = id === undefined || Number(headers['e2b-sandbox-port']) === ENVD_PORT;
  // Clients send an API key only to the control plane, never to envd.
  if (isEnvd && headers['x-api-key'] !== undefined) return null;
  // Older clients append `-<client id>`.
  if (typeof id === 'string')
    return { id: id.split('-')[0] as string, port: Number(headers['e2b-sandbox-port']) };
  if (!url.startsWith('/files?')) return null;
  const query = new URLSearchParams(url.slice('/files?'.length));
  const signer = query.has('signature') ? all().find((record) => isSigned(query, method, record)) : undefined;
  return signer ? { id: signer.id, port: ENVD_PORT } : null;
}
