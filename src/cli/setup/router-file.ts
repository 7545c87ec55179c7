// Writes settings to the configuration file; its comments, order and other settings stay.
import { existsSync, readFileSync } from 'node:fs';
import { Document, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { CONFIG_FILE } from '../../config/deployment-settings.ts';
import { writeAtomically } from './write-atomically.ts';

const READABLE = 0o644;
const HEAD = ` yaml-language-server: $schema=./node_modules/managed-agents-router/config.schema.json
 Made by managed-agents-router setup. Every setting: docs/settings.md. Secrets stand in .env and are referred to here.`;

export interface RouterFileEnvironment {
  id: string;
  agent?: string;
}

/**
 * Sets values at the top of the file, by path, where the file does not set them yet.
 * @param values such as `{ 'anthropic.baseUrl': 'http://…' }`
 * @returns the paths that were set
 */
export function setMissing(path: string, values: Record<string, string>): string[] {
  const document = read(path);
  const missing = Object.entries(values).filter(([name]) => !document.hasIn(name.split('.')));
  for (const [name, value] of missing) document.setIn(name.split('.'), value);
  if (missing.length > 0) write(path, document);
  return missing.map(([name]) => name);
}

/** Sets the environment and its agent: in the entry with this id, in the first entry without id, or in a new one. */
export function setEnvironment(
  path: string,
  { id, agent }: RouterFileEnvironment,
  keyVariable: string,
): void {
  const document = read(path);
  const list = document.get('environments');
  const items = isSeq(list) ? list.items : [];
  const index = items.findIndex((item) => isMap(item) && (item.get('id') === id || !item.has('id')));
  const at = ['environments', index < 0 ? items.length : index];
  if (!isSeq(list)) document.set('environments', document.createNode([]));
  if (index < 0) document.setIn(at, document.createNode({ id, key: `\${env:${keyVariable}}` }));
  document.setIn([...at, 'id'], id);
  if (!document.hasIn([...at, 'key'])) document.setIn([...at, 'key'], `\${env:${keyVariable}}`);
  if (agent) document.setIn([...at, 'agent'], agent);
  write(path, document);
}

/** Removes the environment's entry; the list goes with its last entry. @returns whether the file changed */
export function removeEnvironment(path: string, id: string): boolean {
  if (!existsSync(path)) return false;
  const document = read(path);
  const list = document.get('environments');
  if (!isSeq(list)) return false;
  const index = list.items.findIndex((item) => isMap(item) && item.get('id') === id);
  if (index < 0) return false;
  if (list.items.length === 1) document.delete('environments');
  else list.items.splice(index, 1);
  write(path, document);
  return true;
}

/** The variable that the environment's key is taken from. @returns undefined if the file takes it from elsewhere */
export function keyVariableOf(path: string, id: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const list = read(path).get('environments');
  for (const item of isSeq(list) ? list.items : []) {
    if (!isMap(item) || item.get('id') !== id) continue;
    const key = item.get('key', true);
    const reference = isScalar(key) ? String(key.value) : '';
    return /^\$\{env:(\w+)\}$/.exec(reference)?.[1];
  }
  return undefined;
}

function read(path: string): Document {
  if (existsSync(path)) {
    const document = parseDocument(readFileSync(path, 'utf8'));
    if (document.contents !== null) return document;
  }
  const document = new Document({});
  document.commentBefore = HEAD;
  return document;
}

function write(path: string, document: Document): void {
  const text = path.endsWith('.json')
    ? `${JSON.stringify(document.toJS(), undefined, 2)}\n`
    : document.toString({ lineWidth: 0 });
  writeAtomically(path, text, READABLE);
}

/** Where the file is written if there is none: what `--config` names, or the default name in this folder. */
export function newFilePath(env: Record<string, string | undefined>): string {
  return env[CONFIG_FILE.variable ?? ''] ?? 'managed-agents-router.yaml';
}
