/** Who may talk to a sandbox: the tokens of envd and of private ports, and signed file URLs. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { errorBody } from './api-error.ts';
import type { SandboxRecord } from './record.ts';

export const ENVD_PORT = 49983;

/** The error to answer with, `code` being its status; undefined for traffic that may pass. */
export function refusal(
  { headers, url: path = '/', method }: IncomingMessage,
  record: SandboxRecord,
  port: number,
): Record<string, unknown> | undefined {
  if (port !== ENVD_PORT) {
    if (record.allowPublicTraffic || equal(headers['e2b-traffic-access-token'], record.trafficAccessToken))
      return undefined;
    const message =
      "Sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is missing or wrong";
    return { sandboxId: record.id, message, code: 403 };
  }
  const url = new URL(path, 'http://sandbox');
  // What the stand-in itself says to its agent.
  if (url.pathname.startsWith('/_')) return errorBody(404, 'not found');
  if (equal(headers['x-access-token'], record.envdAccessToken)) return undefined;
  // A health probe wakes nothing without the token.
  if (url.pathname === '/health' && record.state === 'running') return undefined;
  if (url.pathname === '/files' && isSigned(url.searchParams, method === 'GET' ? 'read' : 'write', record))
    return undefined;
  return errorBody(
    401,
    'unauthorized access, please provide a valid access token or method signing if supported',
  );
}

function isSigned(
  query: URLSearchParams,
  operation: 'read' | 'write',
  { envdAccessToken }: SandboxRecord,
): boolean {
  const expiration = query.get('signature_expiration');
  if (expiration && Number(expiration) * 1000 < Date.now()) return false;
  const parts = [query.get('path') ?? '', operation, query.get('username') ?? '', envdAccessToken];
  const text = [...parts, ...(expiration ? [expiration] : [])].join(':');
  const expected = `v1_${createHash('sha256').update(text).digest('base64').replace(/=+$/, '')}`;
  return equal(query.get('signature') ?? undefined, expected);
}

function equal(given: string | string[] | undefined, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected));
}
