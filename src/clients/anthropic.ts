// Clients of the Anthropic API, for its two credentials: the environment key, and the token of a work item.
import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk';
import { Agent } from 'undici';
import type { EnvironmentConfig } from '../config.ts';
import { IDLE_CONNECTION_MS } from './idle-connections.ts';

/** Longer than any answer takes, streams aside. The SDK does not retry, because Temporal does. */
const TIMEOUT_MS = 15_000;

/** Shared by all clients. Node's own dispatcher closes a connection that is idle for four seconds. */
const dispatcher = new Agent({
  keepAliveTimeout: IDLE_CONNECTION_MS,
  keepAliveMaxTimeout: IDLE_CONNECTION_MS,
});

export interface AnthropicClients {
  /** Authenticated by the environment key. */
  environment: Anthropic;
  /** Authenticated by a work item's token. */
  withToken(token: string): Anthropic;
}

export function createAnthropic({ anthropic }: Pick<EnvironmentConfig, 'anthropic'>): AnthropicClients {
  const withToken = (authToken: string): Anthropic =>
    new Anthropic({
      authToken,
      apiKey: null,
      ...(anthropic.baseUrl ? { baseURL: anthropic.baseUrl } : {}),
      maxRetries: 0,
      timeout: TIMEOUT_MS,
      fetchOptions: { dispatcher } as ClientOptions['fetchOptions'],
    });
  return { environment: withToken(anthropic.environmentKey), withToken };
}
