// Clients of the Anthropic API. Two credentials: the environment's key, and the token that comes with a work item.
import Anthropic from '@anthropic-ai/sdk';
import type { EnvironmentConfig } from '../config.ts';

/** Longer than any answer but a stream's takes; Temporal retries, so the SDK does not. */
const TIMEOUT_MS = 15_000;

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
    });
  return { environment: withToken(anthropic.environmentKey), withToken };
}
