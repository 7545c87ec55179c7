// The process's environment and `.env`: the only reader of both.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import type { Environment } from './references.ts';
import { type Setting, settingsOf, type Table } from './setting.ts';
import type { Given, Place } from './values.ts';

/** The process's environment over the `.env` file of the working directory: a variable that is set wins. */
export function readEnvironment(file = '.env'): Environment {
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}), ...process.env };
}

/** Without the variables that are empty: Compose files pass those that are not set like this. */
export function withoutEmpty(env: Environment): Record<string, string> {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value?.trim()) set[name] = value.trim();
  return set;
}

/** What the variables say of the settings of a table. */
export function givenByVariables(table: Table, env: Record<string, string>): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [path, setting] of settingsOf(table)) {
    const text = setting.variable === undefined ? undefined : env[setting.variable];
    if (text === undefined) continue;
    given.set(path, { value: setting.kind.fromText(text), setting, ...asVariable(setting) });
  }
  return given;
}

export function asVariable({ variable = '', example }: Setting): Place {
  return { where: variable, example: `${variable}=${example}` };
}
