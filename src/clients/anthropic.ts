// Clients of the Anthropic API, for its two credentials: the environment key, and the token of a work item.
import Anthropic from '@anthropic-ai/sdk';
import type { EnvironmentConfig } from '../config.ts';

/** Longer than any answer takes, streams aside. The SDK does not retry, because Temporal does. */
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
