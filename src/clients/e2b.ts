// The E2B client, bound to our key, and how a sandbox's ports are reached.
import { E2B, type Sandbox } from 'e2b';
import { TOOLHOST_PORT } from '../../toolhost/protocol.ts';
import type { EnvironmentConfig } from '../config.ts';
import { Toolhost } from './toolhost.ts';

export interface E2BClient {
  Sandbox: typeof Sandbox;
  /** The toolhost of a sandbox that is connected. */
  toolhost(sandbox: Sandbox): Toolhost;
}

export function createE2B({ e2b }: Pick<EnvironmentConfig, 'e2b'>): E2BClient {
  const client = new E2B({
    apiKey: e2b.apiKey,
    // Temporal retries; the SDK's own retries would multiply with it.
    retries: 0,
    ...(e2b.domain ? { domain: e2b.domain } : {}),
    ...(e2b.apiUrl ? { apiUrl: e2b.apiUrl } : {}),
    ...(e2b.sandboxUrl ? { sandboxUrl: e2b.sandboxUrl } : {}),
  });
  return {
    Sandbox: client.Sandbox,
    toolhost: (sandbox) => new Toolhost(...portOf(sandbox, TOOLHOST_PORT, e2b.sandboxUrl)),
  };
}

/** A port's origin and headers: its own host name on E2B, routing headers where one address serves all sandboxes. */
function portOf(sandbox: Sandbox, port: number, sandboxUrl?: string): [string, Record<string, string>] {
  const headers: Record<string, string> = {};
  if (sandbox.trafficAccessToken) headers['e2b-traffic-access-token'] = sandbox.trafficAccessToken;
  if (!sandboxUrl) return [`https://${sandbox.getHost(port)}`, headers];
  return [sandboxUrl, { ...headers, 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': String(port) }];
}
