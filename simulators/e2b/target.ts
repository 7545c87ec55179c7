/** Which sandbox and port a request is for. */
import type { IncomingMessage } from 'node:http';
import { ENVD_PORT, isSigned } from './data-auth.ts';
import type { SandboxRecord } from './record.ts';

export interface Target {
  id: string;
  port: number;
}

/** `<port>-<sandbox>.<any domain>`; older clients put one more id after the sandbox's. */
const HOST_NAME = /^(\d{1,5})-(i[a-z0-9]+)(?:-[a-z0-9]+)?\./i;

/** `api.<domain>`, as the control plane is called by clients that know a domain and no addresses. */
const API_HOST = /^api\.(.+)$/i;

/** The host name and port behind `<port>-<sandbox>.` for this client; `own` for one that called us by our address. */
export function domainFor({ headers }: IncomingMessage, own: string): string {
  return API_HOST.exec(headers.host ?? '')?.[1] ?? own;
}

/**
 * By the host name, else by the routing headers that the SDK sends, else by the signature of a file URL, which
 * names no sandbox where all share one origin. Null for the control plane, which some SDKs send those headers, too.
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
  // Envd knows no API keys.
  if (isEnvd && headers['x-api-key'] !== undefined) return null;
  // Older clients append the id of a machine.
  if (typeof id === 'string')
    return { id: id.split('-')[0] as string, port: Number(headers['e2b-sandbox-port']) };
  if (!url.startsWith('/files?')) return null;
  const query = new URLSearchParams(url.slice('/files?'.length));
  const signer = query.has('signature') ? all().find((record) => isSigned(query, method, record)) : undefined;
  return signer ? { id: signer.id, port: ENVD_PORT } : null;
}
