// Clients of the simulated services, as an application or a person has them.
import Anthropic from '@anthropic-ai/sdk';
import { E2B, type Sandbox } from 'e2b';
import type { Simulators } from './simulators.ts';

export interface ServiceClients {
  anthropic: Anthropic;
  Sandbox: typeof Sandbox;
}

export function serviceClients({ anthropic, e2b }: Simulators): ServiceClients {
  const { Sandbox } = new E2B({ apiKey: e2b.apiKey, apiUrl: e2b.url, sandboxUrl: e2b.url });
  return { anthropic: new Anthropic({ apiKey: anthropic.apiKey, baseURL: anthropic.url }), Sandbox };
}
