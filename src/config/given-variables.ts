// The settings of one environment as variables, wherever they were given: for a router that runs elsewhere.
import { readFileSync } from 'node:fs';
import { DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { splitKeys } from './kinds.ts';
import { ConfigError } from './problems.ts';
import type { Environment } from './references.ts';
import { type Setting, settingsOf } from './setting.ts';
import { readValues } from './sources.ts';

export interface GivenVariables {
  variables: Record<string, string>;
  /** Valid or not; from the setting and from its file. */
  signingKeys: string[];
  /** Paths of settings that only a configuration file can hold. */
  withoutVariable: string[];
}

/**
 * @returns the settings that the router reads; those of commands are left out
 * @throws ConfigError that lists every missing or malformed setting
 */
export function givenVariables(env: Environment, environmentId: string): GivenVariables {
  const { deployment, environments, problems, warnings, whereGiven } = readValues(env, 'start');
  if (problems.size > 0) throw new ConfigError(problems, warnings);
  const environment = environments.find(({ id }) => id === environmentId);
  const found: GivenVariables = { variables: {}, signingKeys: [], withoutVariable: [] };
  const take = ([path, setting]: [string, Setting], values: object, isGiven: boolean) => {
    const value = isGiven && setting.neededBy !== 'commands' ? valueAt(values, path) : undefined;
    if (value === undefined) return;
    if (setting.variable) found.variables[setting.variable] = String(value);
    else found.withoutVariable.push(path);
  };
  for (const each of settingsOf({ ...DEPLOYMENT, ...COMMON }))
    take(each, deployment, whereGiven(each[0]) !== undefined);
  if (environment)
    for (const each of settingsOf({ ...ENVIRONMENT, ...COMMON }))
      take(each, environment, environment.whereGiven(each[0]) !== undefined);
  found.variables.ANTHROPIC_ENVIRONMENT_ID = environmentId;
  const { signingKey = '', signingKeyFile } = deployment.webhook;
  found.signingKeys = [...splitKeys(signingKey), ...linesOf(signingKeyFile)];
  return found;
}

function valueAt(values: object, path: string): unknown {
  return path.split('.').reduce<unknown>((node, name) => Object(node)[name], values);
}

function linesOf(file: string | undefined): string[] {
  if (file === undefined) return [];
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  } catch {
    // It may be created later.
    return [];
  }
}
