// Creates the E2B client for our key, and clients for the ports of a sandbox.
import { E2B, type Sandbox } from 'e2b';
import { TOOLHOST_PORT } from '../../toolhost/protocol.ts';
import type { EnvironmentConfig } from '../config.ts';
import { ENVD_PORT, Envd } from './envd.ts';
import type { Port } from './sandbox-http.ts';
import { Toolhost } from './toolhost.ts';

export interface E2BClient {
  Sandbox: typeof Sandbox;
  /** A client of the toolhost in a connected sandbox. */
  toolhost(sandbox: Sandbox): Toolhost;
  /** A client of envd, E2B's own agent in a sandbox. Unlike the SDK's, it follows no redirect. */
  envd(sandbox: Sandbox): Envd;
}

/** Where E2B is, and the key. */
export type E2BAccess = Pick<EnvironmentConfig['e2b'], 'apiKey' | 'domain' | 'apiUrl' | 'sandboxUrl'>;

export function createE2B({ e2b }: { e2b: E2BAccess }): E2BClient {
  const client = new E2B({
    apiKey: e2b.apiKey,
    // Temporal retries; retries of the SDK would multiply with Temporal's.
    retries: 0,
    ...(e2b.domain ? { domain: e2b.domain } : {}),
    ...(e2b.apiUrl ? { apiUrl: e2b.apiUrl } : {}),
    ...(e2b.sandboxUrl ? { sandboxUrl: e2b.sandboxUrl } : {}),
  });
  return {
    Sandbox: client.Sandbox,
    toolhost: (sandbox) => new Toolhost(originOf(sandbox, TOOLHOST_PORT, e2b.sandboxUrl)),
    envd: (sandbox) => {
      const port = originOf(sandbox, ENVD_PORT, e2b.sandboxUrl);
      // A private field of the SDK; sandboxes of older templates have no such token.
      const { envdAccessToken } = sandbox as unknown as { envdAccessToken?: string };
      return new Envd({
        ...port,
        headers: { ...port.headers, ...(envdAccessToken ? { 'x-access-token': envdAccessToken } : {}) },
      });
    },
  };
}

/** On E2B each sandbox has a host name of its own; behind a single address, headers name the sandbox and the port. */
export function originOf(sandbox: Sandbox, port: number, sandboxUrl?: string): Omit<Port, 'name'> {
  const headers: Record<string, string> = {};
  if (sandbox.trafficAccessToken) headers['e2b-traffic-access-token'] = sandbox.trafficAccessToken;
  if (!sandboxUrl) return { origin: `https://${sandbox.getHost(port)}`, headers };
  const routing = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': String(port) };
  return { origin: sandboxUrl, headers: { ...headers, ...routing } };
}
