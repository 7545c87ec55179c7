// The settings of commands such as `send`. None is required here: each command says what it lacks.
import { splitKeys } from './kinds.ts';
import { ConfigError } from './problems.ts';
import type { Environment } from './references.ts';
import { readValues } from './sources.ts';

/** What is configured so far. A secret that a reference names, but that is not set, is absent. */
export interface CommandSettings {
  configFile?: string;
  baseUrl?: string;
  /** API key of the organisation. */
  apiKey?: string;
  environments: CommandEnvironment[];
  e2b: { apiKey?: string; domain?: string; apiUrl?: string; sandboxUrl?: string };
  /** Template of environments that name none themselves. */
  template: string;
  webhook: { host: string; port: number; configured: boolean };
  secrets: string[];
}

export interface CommandEnvironment {
  id?: string;
  /** The key of the environment. */
  key?: string;
  /** Agent that `send` opens sessions of. */
  agent?: string;
  template: string;
}

/** @throws ConfigError that lists every malformed setting; missing ones are no error */
export function loadCommandSettings(env: Environment): CommandSettings {
  const { deployment, environments, configFile, problems, secrets } = readValues(env, 'commands');
  if (problems.size > 0) throw new ConfigError(problems);
  const { anthropic, e2b, sandbox, webhook } = deployment;
  const signingKeys = splitKeys(webhook.signingKey ?? '');
  return {
    ...given({ configFile, baseUrl: anthropic.baseUrl, apiKey: anthropic.apiKey }),
    environments: environments.map(({ id, key, agent, sandbox: { template } }) => ({
      ...given({ id, key, agent }),
      template,
    })),
    e2b: given({ apiKey: e2b.apiKey, domain: e2b.domain, apiUrl: e2b.apiUrl, sandboxUrl: e2b.sandboxUrl }),
    template: sandbox.template,
    webhook: {
      host: webhook.host,
      port: webhook.port,
      configured: signingKeys.length > 0 || webhook.signingKeyFile !== undefined,
    },
    secrets: [...secrets, ...signingKeys],
  };
}

/** The same object without undefined values. */
function given<T extends Record<string, string | undefined>>(values: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}
