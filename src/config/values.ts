// Turns what the file and the variables say into checked values, in the shape of the tables.

import { explain } from './problems.ts';
import { type Environment, resolveReference } from './references.ts';
import { isSetting, type Setting, type Table, type ValuesOf } from './setting.ts';

/** A value as it was given: not checked. */
export interface Given {
  /** Absent if it is given by reference. */
  value?: unknown;
  reference?: string;
  /** Its place, which a message about it begins with: a variable, or a path with file and line. */
  where: string;
  /** How to set it properly there. */
  example: string;
  setting: Setting;
}

/** Where a value stands, or should. */
export type Place = Pick<Given, 'where' | 'example'>;

/** By path. */
export type Givens = ReadonlyMap<string, Given>;

/** `start` is both other processes in one. */
export type Role = 'start' | 'webhook' | 'worker';

export interface Reading {
  role: Role;
  /** For references. */
  env: Environment;
  configFile: string | undefined;
  /** Grows. A set, since settings for all environments are read once for each. */
  problems: Set<string>;
  /** The values that must not be shown; grows. */
  secrets: Set<string>;
}

/**
 * The values of a table; what is wrong or missing is added to the problems and has its default, or none.
 * @param find what was given for a path
 * @param missing how a message about a missing value begins, and an example
 */
export function readTable<T extends Table>(
  table: T,
  reading: Reading,
  find: (path: string) => Given | undefined,
  missing: (path: string, setting: Setting) => Place,
  prefix = '',
): ValuesOf<T> {
  const values = Object.entries(table).map(([name, node]) => {
    const path = prefix + name;
    if (!isSetting(node)) return [name, readTable(node, reading, find, missing, `${path}.`)];
    const given = find(path);
    if (given) return [name, readValue(node, given, reading) ?? node.default];
    if (node.required && isRead(node, reading.role)) {
      const { where, example } = missing(path, node);
      reading.problems.add(explain(where, 'is not set', node, example));
    }
    return [name, node.default];
  });
  return Object.fromEntries(values);
}

/** Values that this process does not read are checked as far as possible without looking up a reference. */
function readValue(setting: Setting, given: Given, reading: Reading): unknown {
  const { kind, secret } = setting;
  const { where, example, reference } = given;
  const wrong = (what: string) => void reading.problems.add(explain(where, what, setting, example));
  let { value } = given;
  if (reference !== undefined) {
    if (!isRead(setting, reading.role)) return undefined;
    const resolved = resolveReference(reference, reading.env, reading.configFile ?? '');
    if ('problem' in resolved) return wrong(resolved.problem);
    value = kind.fromText(resolved.text);
  }
  const { success, data } = kind.schema.safeParse(value);
  if (success && secret) reading.secrets.add(String(data));
  if (success) return data;
  // YAML reads 2026.1 as a number and true as a boolean, even where a name is meant.
  const isUnquoted = /^(number|boolean)$/.test(typeof value) && kind.schema.safeParse(String(value)).success;
  return wrong(isUnquoted ? 'must be text: put it in quotes' : `must be ${kind.what}`);
}

function isRead({ neededBy }: Setting, role: Role): boolean {
  return neededBy === 'both' || role === 'start' || neededBy === role;
}
