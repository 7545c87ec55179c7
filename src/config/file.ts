// The configuration file: YAML, which includes JSON. Says where each value stands, and what does not belong there.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { CONFIG_FILE, DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { ConfigError, explain } from './problems.ts';
import { holdsReference, isReference } from './references.ts';
import { isSetting, type Setting, settingsOf, type Table } from './setting.ts';
import { nearest } from './suggest.ts';
import type { Given, Givens, Place } from './values.ts';

/** Looked for in the working directory, unless a path is set. */
export const FILE_NAMES = ['yaml', 'yml', 'json'].map((extension) => `managed-agents-router.${extension}`);

/** The tables of the file, in its shape; the list of environments comes on top. */
export const FILE_TABLE: Table = { ...DEPLOYMENT, ...COMMON };
export const ENVIRONMENT_TABLE: Table = { ...ENVIRONMENT, ...COMMON };

const MAX_BYTES = 1024 * 1024;
const MAX_ENVIRONMENTS = 1_000;

export interface ConfigFile {
  deployment: Givens;
  /** Absent if the file does not list environments. */
  environments?: GivenEnvironment[];
}

export interface GivenEnvironment {
  givens: Givens;
  /** Its place, which a message about it begins with, like `file.yaml:3:5 environments[0]`. */
  where: string;
  /** How a message about a setting that it lacks begins, and an example. */
  missing(path: string, setting: Setting): Place;
}

/** @throws ConfigError if there are several */
export function findConfigFile(env: Record<string, string>): string | undefined {
  const path = env[CONFIG_FILE.variable ?? ''];
  if (path !== undefined) return path;
  const [found, another] = FILE_NAMES.filter((name) => existsSync(name));
  if (another) throw new ConfigError([`${found} and ${another} both exist: keep one`]);
  return found;
}

/**
 * @param problems grows
 * @throws ConfigError for a file that cannot be read, or is not YAML
 */
export function readConfigFile(path: string, problems: Set<string>): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const place = (offset = 0) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  // What follows a colon quotes the file, which may hold a key where none belongs. Warnings are of unknown tags.
  const errors = [...document.errors, ...document.warnings].map(
    ({ pos, message }) => `${place(pos[0])} is not valid YAML: ${message.split(':')[0]}`,
  );
  if (errors.length > 0) throw new ConfigError(errors);
  const source: Source = {
    document,
    problems,
    place: (node, what) => `${place(node?.range?.[0])} ${what}`,
  };
  const deployment = new Map<string, Given>();
  const rest = walk(source, document.contents, FILE_TABLE, '', deployment, ['environments', '$schema']);
  const list = rest.get('environments');
  return list === undefined ? { deployment } : { deployment, environments: readEnvironments(source, list) };
}

interface Source {
  document: Document;
  problems: Set<string>;
  /** `file.yaml:3:5 what`. */
  place(node: Node | null, what: string): string;
}

function readEnvironments(source: Source, node: Node | null): GivenEnvironment[] {
  const list = follow(source, node);
  if (!isSeq(list) || list.items.length === 0 || list.items.length > MAX_ENVIRONMENTS) {
    const example = 'environments: [{ id: env_…, key: "${env:ENVIRONMENT_KEY}" }]';
    const what = `environments must be a list of 1 to ${MAX_ENVIRONMENTS} environments. Example: ${example}`;
    source.problems.add(source.place(node, what));
    return [];
  }
  return list.items.map((item, index) => {
    const givens = new Map<string, Given>();
    const name = `environments[${index}]`;
    walk(source, item as Node, ENVIRONMENT_TABLE, `${name}.`, givens);
    const where = source.place(item as Node, name);
    return {
      givens,
      where,
      missing: (path, setting) => ({ where: `${where}.${path}`, example: exampleInFile(path, setting) }),
    };
  });
}

/**
 * Collects what a mapping says of the settings of a table, by their paths in the table.
 * @param prefix the mapping's own path, for messages
 * @param others names that are known, too
 * @returns the values of those
 */
function walk(
  source: Source,
  node: Node | null,
  table: Table,
  prefix: string,
  found: Map<string, Given>,
  others: readonly string[] = [],
  path = '',
): Map<string, Node | null> {
  const rest = new Map<string, Node | null>();
  const map = follow(source, node);
  if (map === null || (isScalar(map) && map.value === null)) return rest;
  const wrong = (at: Node | null, what: string) => void source.problems.add(source.place(at, what));
  if (!isMap<Node, Node | null>(map)) {
    wrong(node, `${prefix.slice(0, -1) || 'the file'} must hold settings, each as "name: value"`);
    return rest;
  }
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const child = Object.hasOwn(table, name) ? table[name] : undefined;
    if (others.includes(name)) rest.set(name, value);
    else if (!child) wrong(key, unknown(prefix, name, table, others));
    else if (!isSetting(child)) walk(source, value, child, `${prefix}${name}.`, found, [], `${path}${name}.`);
    else {
      const given = readLeaf(source, child, name, value, source.place(value ?? key, prefix + name));
      if (given) found.set(path + name, given);
    }
  }
  return rest;
}

function readLeaf(
  source: Source,
  setting: Setting,
  name: string,
  node: Node | null,
  where: string,
): Given | undefined {
  const scalar = follow(source, node);
  const value = isScalar(scalar) ? scalar.value : undefined;
  const example = exampleInFile(name, setting);
  const wrong = (what: string) => void source.problems.add(explain(where, what, setting, example));
  if (holdsReference(value) && !isReference(value))
    return wrong('must be one whole reference, ${env:NAME} or ${file:/path}, with nothing around it');
  if (setting.secret && !isReference(value))
    return wrong('is secret and does not belong in this file: refer to a variable or a file');
  return { ...(isReference(value) ? { reference: value } : { value }), where, example, setting };
}

export function exampleInFile(name: string, { secret, variable = '', example }: Setting): string {
  return `${name}: ${secret ? `\${env:${variable}}` : example}`;
}

function unknown(prefix: string, name: string, table: Table, others: readonly string[]): string {
  const here = [...Object.keys(table), ...others];
  const deeper = [ENVIRONMENT_TABLE, FILE_TABLE].flatMap((each) => settingsOf(each)).map(([path]) => path);
  const variables = settingsOf(FILE_TABLE).find(([, { variable }]) => variable === name)?.[0];
  const meant = variables ?? nearest(name, here) ?? nearest(name, deeper);
  return `${prefix}${name} is not a setting${meant ? `. Did you mean ${meant}?` : ''}`;
}

function follow(source: Source, node: Node | null): Node | null {
  if (!isAlias(node)) return node;
  const target = node.resolve(source.document);
  if (!target)
    source.problems.add(source.place(node, 'is an alias of an anchor that is not defined above it'));
  return target ?? null;
}

function readText(path: string): string {
  let problem = 'is not a file';
  try {
    const status = statSync(path);
    if (status.size > MAX_BYTES) problem = 'is larger than 1 MiB';
    else if (status.isFile()) return readFileSync(path, 'utf8');
  } catch (error) {
    problem = `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
  throw new ConfigError([`the configuration file ${path} ${problem}`]);
}
