// Counts requests by service and status code, of every HTTP client in this process: Node publishes each request.
import diagnostics from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { EnvironmentConfig } from '../config.ts';
import { codeLabel, serviceRequests } from './metrics.ts';

export interface ServiceOrigins {
  /** Origins like `https://api.anthropic.com`. */
  anthropic: string;
  e2b: string;
  /** Ends of the host names of sandboxes, or the one address in front of them. */
  sandboxes: string;
}

/** The origins that the clients of these environments use. */
export function originsOf([environment]: readonly EnvironmentConfig[]): ServiceOrigins {
  const { baseUrl = 'https://api.anthropic.com' } = environment?.anthropic ?? {};
  const { domain = 'e2b.app', apiUrl = `https://api.${domain}`, sandboxUrl } = environment?.e2b ?? {};
  return {
    anthropic: new URL(baseUrl).origin,
    e2b: new URL(apiUrl).origin,
    sandboxes: sandboxUrl ? new URL(sandboxUrl).origin : `.${domain}`,
  };
}

/** @returns stops counting */
export function countServiceRequests({ anthropic, e2b, sandboxes }: ServiceOrigins): () => void {
  const count = (origin: string, code: string) => {
    if (origin === anthropic) serviceRequests.inc({ service: 'anthropic', code });
    else if (origin === e2b) serviceRequests.inc({ service: 'e2b', code });
    else if (origin.endsWith(sandboxes)) serviceRequests.inc({ service: 'sandbox', code });
  };

  // fetch, which the SDKs use.
  const answered = (message: unknown) => {
    const { request, response } = message as {
      request: { origin: string };
      response: { statusCode: number };
    };
    count(request.origin, codeLabel(response.statusCode));
  };
  const failed = (message: unknown) => {
    const { request } = message as { request: { origin: string } };
    count(request.origin, 'error');
  };
  // node:http, which the router uses for sandboxes.
  const finished = (message: unknown) => {
    const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
    count(`${request.protocol}//${request.getHeader('host')}`, codeLabel(response.statusCode ?? 0));
  };
  const broken = (message: unknown) => {
    const { request } = message as { request: ClientRequest };
    count(`${request.protocol}//${request.getHeader('host')}`, 'error');
  };
  const channels = [
    ['undici:request:headers', answered],
    ['undici:request:error', failed],
    ['http.client.response.finish', finished],
    ['http.client.request.error', broken],
  ] as const;
  for (const [name, listener] of channels) diagnostics.subscribe(name, listener);
  return () => {
    for (const [name, listener] of channels) diagnostics.unsubscribe(name, listener);
  };
}
