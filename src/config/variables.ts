// Reads the environment variables and `.env`. No other module reads either.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError } from './problems.ts';
import type { Environment } from './references.ts';
import { type Setting, settingsOf, type Table } from './setting.ts';
import type { Given, Place } from './values.ts';

/**
 * The variables of the process and of the `.env` file in the working directory; the process's own win.
 * @throws ConfigError if there is such a file and it cannot be read
 */
export function readEnvironment(file = '.env'): Environment {
  return { ...parseEnv(textOf(file)), ...process.env };
}

/** What every process needs of its environment, beside settings. */
export function basicVariables(): Record<string, string> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME = '/home/user' } = process.env;
  return { PATH, HOME };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return '';
    // Docker makes a folder where a file that is to be mounted is missing.
    throw new ConfigError([`${file} ${code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`}`]);
  }
}

/** Drops empty variables: a Compose file passes a variable that is not set as an empty one. */
export function withoutEmpty(env: Environment): Record<string, string> {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value?.trim()) set[name] = value.trim();
  return set;
}

/** The settings of a table that variables give, by path. */
export function givenByVariables(table: Table, env: Record<string, string>): Map<string, Given> {
  const given = new Map<string, Given>();
  for (const [path, setting] of settingsOf(table)) {
    const text = setting.variable === undefined ? undefined : env[setting.variable];
    if (text === undefined) continue;
    given.set(path, { value: setting.kind.fromText(text), setting, ...asVariable(setting) });
  }
  return given;
}

/** The place of a setting that is given as a variable. */
export function asVariable({ variable = '', example }: Setting): Place {
  return { where: variable, example: `${variable}=${example}` };
}
