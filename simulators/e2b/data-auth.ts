/** Authorises traffic to sandboxes: tokens of envd and of private ports, and signed file URLs. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { errorBody } from './api-error.ts';
import type { SandboxRecord } from './record.ts';

export const ENVD_PORT = 49983;

/** Internal endpoints of envd, which clients cannot reach. */
const INTERNAL = /^\/(_.*|init|freeze|unfreeze|collapse|fsfreeze|fsthaw|upgrade)$/;

/** Returns the body of the error to answer with (`code` is its status), or undefined for authorised traffic. */
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
  const url = urlOf(path);
  if (!url || INTERNAL.test(url.pathname)) return errorBody(404, 'not found');
  if (record.open || equal(headers['x-access-token'], record.envdAccessToken)) return undefined;
  // Only of a running sandbox: a health probe without a token must not resume a paused one.
  if (url.pathname === '/health' && record.state === 'running') return undefined;
  if (url.pathname === '/files') return signatureRefusal(url.searchParams, method, record);
  return errorBody(
    401,
    'unauthorized access, please provide a valid access token or method signing if supported',
  );
}

/** Whether the sandbox's token has signed this file URL for this method. Does not check the expiration. */
export function isSigned(
  query: URLSearchParams,
  method: string | undefined,
  { envdAccessToken }: SandboxRecord,
): boolean {
  const operation = method === 'GET' ? 'read' : 'write';
  const expiration = query.get('signature_expiration');
  const parts = [query.get('path') ?? '', operation, query.get('username') ?? '', envdAccessToken];
  const text = [...parts, ...(expiration ? [expiration] : [])].join(':');
  const expected = `v1_${createHash('sha256').update(text).digest('base64').replace(/=+$/, '')}`;
  return equal(query.get('signature') ?? undefined, expected);
}

function signatureRefusal(query: URLSearchParams, method: string | undefined, record: SandboxRecord) {
  if (!query.has('signature')) return errorBody(401, 'missing signature query parameter');
  if (!isSigned(query, method, record)) return errorBody(401, 'invalid signature');
  const expiration = query.get('signature_expiration');
  if (expiration && !(Number(expiration) * 1000 >= Date.now()))
    return errorBody(401, 'signature is already expired');
  return undefined;
}

function urlOf(path: string): URL | undefined {
  try {
    return new URL(path, 'http://sandbox');
  } catch {
    return undefined;
  }
}

function equal(given: string | string[] | undefined, expected: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return typeof given === 'string' && timingSafeEqual(digest(given), digest(expected));
}
