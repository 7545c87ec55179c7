// Reads the configuration file: YAML, which includes JSON. Records the line of each value and reports unknown names.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { CONFIG_FILE, DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { ConfigError, explain } from './problems.ts';
import { holdsReference, isReference } from './references.ts';
import { isSetting, type Setting, settingsOf, type Table } from './setting.ts';
import { nearest } from './suggest.ts';
import type { Given, Givens, Place } from './values.ts';

/** File names that are tried in the working directory if no path is set. */
const FILE_NAMES = ['yaml', 'yml', 'json'].map((extension) => `managed-agents-router.${extension}`);

/** The settings at the top of the file, in its shape; `environments` lists more in the shape of ENVIRONMENT_TABLE. */
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
  /** Place in the file, such as `file.yaml:3:5 environments[0]`; messages about the environment begin with it. */
  where: string;
  /** Where a setting that the environment lacks should stand, and an example. */
  missing(path: string, setting: Setting): Place;
}

/**
 * The path of the configuration file: ROUTER_CONFIG_FILE, or the file in the working directory.
 * @returns undefined if there is none
 * @throws ConfigError if several exist
 */
export function findConfigFile(env: Record<string, string>): string | undefined {
  const path = env[CONFIG_FILE.variable ?? ''];
  if (path !== undefined) return path;
  const [found, another] = FILE_NAMES.filter((name) => existsSync(name));
  if (another) throw new ConfigError([`${found} and ${another} both exist: keep one`]);
  return found;
}

/**
 * Reads the file; values are not checked yet.
 * @param problems every unknown name and misplaced secret is added here
 * @throws ConfigError for a file that cannot be read or is not YAML
 */
export function readConfigFile(path: string, problems: Set<string>): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const place = (offset = 0) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  // The text after the colon quotes the file, which may hold a secret: it is cut off. Warnings report unknown tags.
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
  const rest = collect(source, document.contents, FILE_TABLE, '', deployment, ['environments', '$schema']);
  const list = rest.get('environments');
  return list === undefined ? { deployment } : { deployment, environments: readEnvironments(source, list) };
}

interface Source {
  document: Document;
  problems: Set<string>;
  /** A message that begins with the node's place: `file.yaml:3:5 what`. */
  place(node: Node | null, what: string): string;
}

function readEnvironments(source: Source, node: Node | null): GivenEnvironment[] {
  const list = resolveAlias(source, node);
  if (!isSeq(list) || list.items.length === 0 || list.items.length > MAX_ENVIRONMENTS) {
    const example = 'environments: [{ id: env_…, key: "${env:ENVIRONMENT_KEY}" }]';
    const what = `environments must be a list of 1 to ${MAX_ENVIRONMENTS} environments. Example: ${example}`;
    source.problems.add(source.place(node, what));
    return [];
  }
  return list.items.map((item, index) => {
    const givens = new Map<string, Given>();
    const name = `environments[${index}]`;
    collect(source, item as Node, ENVIRONMENT_TABLE, `${name}.`, givens);
    const where = source.place(item as Node, name);
    return {
      givens,
      where,
      missing: (path, setting) => ({ where: `${where}.${path}`, example: exampleInFile(path, setting) }),
    };
  });
}

/**
 * Collects the settings that a mapping gives, by their paths in the table.
 * @param prefix the mapping's own path, for messages
 * @param found the settings are added here
 * @param otherNames names that are allowed although they are not in the table
 * @returns the nodes of those other names
 */
function collect(
  source: Source,
  node: Node | null,
  table: Table,
  prefix: string,
  found: Map<string, Given>,
  otherNames: readonly string[] = [],
  path = '',
): Map<string, Node | null> {
  const rest = new Map<string, Node | null>();
  const map = resolveAlias(source, node);
  if (map === null || (isScalar(map) && map.value === null)) return rest;
  const wrong = (at: Node | null, what: string) => void source.problems.add(source.place(at, what));
  if (!isMap<Node, Node | null>(map)) {
    wrong(node, `${prefix.slice(0, -1) || 'the file'} must hold settings, each as "name: value"`);
    return rest;
  }
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const child = Object.hasOwn(table, name) ? table[name] : undefined;
    if (otherNames.includes(name)) rest.set(name, value);
    else if (!child) wrong(key, unknownName(prefix, name, table, otherNames));
    else if (!isSetting(child))
      collect(source, value, child, `${prefix}${name}.`, found, [], `${path}${name}.`);
    else {
      const given = readSetting(source, child, name, value, source.place(value ?? key, prefix + name));
      if (given) found.set(path + name, given);
    }
  }
  return rest;
}

function readSetting(
  source: Source,
  setting: Setting,
  name: string,
  node: Node | null,
  where: string,
): Given | undefined {
  const scalar = resolveAlias(source, node);
  const value = isScalar(scalar) ? scalar.value : undefined;
  const example = exampleInFile(name, setting);
  const wrong = (what: string) => void source.problems.add(explain(where, what, setting, example));
  if (holdsReference(value) && !isReference(value))
    return wrong('must be one whole reference, ${env:NAME} or ${file:/path}, with nothing around it');
  if (setting.secret && !isReference(value))
    return wrong('is secret and does not belong in this file: refer to a variable or a file');
  return { ...(isReference(value) ? { reference: value } : { value }), where, example, setting };
}

/** One line of the file that sets the setting; for a secret, a reference. */
export function exampleInFile(name: string, { secret, variable = '', example }: Setting): string {
  return `${name}: ${secret ? `\${env:${variable}}` : example}`;
}

function unknownName(prefix: string, name: string, table: Table, otherNames: readonly string[]): string {
  const here = [...Object.keys(table), ...otherNames];
  const deeper = [ENVIRONMENT_TABLE, FILE_TABLE].flatMap((each) => settingsOf(each)).map(([path]) => path);
  const variables = settingsOf(FILE_TABLE).find(([, { variable }]) => variable === name)?.[0];
  const meant = variables ?? nearest(name, here) ?? nearest(name, deeper);
  return `${prefix}${name} is not a setting${meant ? `. Did you mean ${meant}?` : ''}`;
}

function resolveAlias(source: Source, node: Node | null): Node | null {
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
