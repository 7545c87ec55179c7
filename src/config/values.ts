// Checks the values from the file and from variables and returns them in the shape of the tables.
import { butHolds } from './key-kinds.ts';
import { explain } from './problems.ts';
import { type Environment, resolveReference } from './references.ts';
import { isSetting, type Setting, type Table, type ValuesOf } from './setting.ts';

/** A value as it was given, not yet checked. */
export interface Given {
  /** Absent if the value is given by reference. */
  value?: unknown;
  reference?: string;
  /** The variable, or file, line and path; messages about the value begin with it. */
  where: string;
  /** A line that sets the value properly there. */
  example: string;
  setting: Setting;
}

/** Where a value stands or should stand. */
export type Place = Pick<Given, 'where' | 'example'>;

/** Given values by path. */
export type Givens = ReadonlyMap<string, Given>;

/** The kind of process; `start` runs webhook server and worker in one process. */
export type Role = 'start' | 'webhook' | 'worker';

/** `commands`: reads every setting and requires none, because each command asks for what it needs. */
export type Reader = Role | 'commands';

export interface Reading {
  role: Reader;
  /** The variables that references look up. */
  env: Environment;
  configFile: string | undefined;
  /** Problems are added here. A set, because a shared setting is read once for each environment. */
  problems: Set<string>;
  /** Values that must never be shown are added here. */
  secrets: Set<string>;
}

/**
 * Reads the values of a table. A wrong or missing value is reported in `reading.problems` and replaced by its default.
 * @param find returns the given value for a path
 * @param missing returns where a missing value should stand
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
    if (node.required && reading.role !== 'commands' && isRead(node, reading.role)) {
      const { where, example } = missing(path, node);
      reading.problems.add(explain(where, 'is not set', node, example));
    }
    return [name, node.default];
  });
  return Object.fromEntries(values);
}

/** Checks one value. Its reference is only looked up if this process reads the setting. */
function readValue(setting: Setting, given: Given, reading: Reading): unknown {
  const { kind, secret } = setting;
  const { where, example, reference } = given;
  const wrong = (what: string) => void reading.problems.add(explain(where, what, setting, example));
  let { value } = given;
  if (reference !== undefined) {
    if (!isRead(setting, reading.role)) return undefined;
    const resolved = resolveReference(reference, reading.env, reading.configFile ?? '');
    if ('problem' in resolved) return reading.role === 'commands' ? undefined : wrong(resolved.problem);
    value = kind.fromText(resolved.text);
  }
  const { success, data } = kind.schema.safeParse(value);
  if (success && secret) reading.secrets.add(String(data));
  if (success) return data;
  // YAML reads 2026.1 as a number and true as a boolean, even where a name is meant.
  const isUnquoted = /^(number|boolean)$/.test(typeof value) && kind.schema.safeParse(String(value)).success;
  return wrong(
    isUnquoted ? 'must be text: put it in quotes' : `must be ${kind.what}${butHolds(value, kind.what)}`,
  );
}

function isRead({ neededBy }: Setting, role: Reader): boolean {
  if (neededBy === 'commands') return role === 'commands';
  return neededBy === 'both' || neededBy === role || role === 'start' || role === 'commands';
}
