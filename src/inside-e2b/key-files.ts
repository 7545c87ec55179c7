// Reads the config folder: one file for each setting, named after its variable (`e2b-api-key` is E2B_API_KEY).
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEPLOYMENT } from '../config/deployment-settings.ts';
import { COMMON, ENVIRONMENT } from '../config/environment-settings.ts';
import { butHolds } from '../config/key-kinds.ts';
import { isSigningKey, signingKeys } from '../config/kinds.ts';
import { settingsOf } from '../config/setting.ts';
import { readSmallFile } from '../config/small-file.ts';
import { nearest } from '../config/suggest.ts';
import type { Layout } from './layout.ts';

export interface KeyFiles {
  /** Values of the files, by variable; the signing keys stay in their file, which the webhook server follows itself. */
  variables: Record<string, string>;
  /** What is wrong, by file and without its content. */
  problems: string[];
  /** Variables whose file is there and cannot be used. */
  unusable: string[];
  /** Differs whenever a file has changed. */
  version: string;
  /** Differs whenever the configuration file has changed: of it the variables have the path alone. */
  configVersion: string;
}

/** All values together stay far below what Linux hands to a new process. */
const MAX_VALUE_BYTES = 8 * 1024;
/** NUL ends a variable: no process could be started with it. */
const CONTROL = /\p{Cc}/u;

const SIGNING_KEY = 'ANTHROPIC_WEBHOOK_SIGNING_KEY';

/** The supervisor sets these itself. */
const NOT_A_FILE = /^(TEMPORAL_|WEBHOOK_|ADMIN_|ROUTER_DATA_FOLDER$|ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE$)/;

/** Variables that a file can set. */
export const FILE_VARIABLES: readonly string[] = settingsOf({ ...DEPLOYMENT, ...COMMON, ...ENVIRONMENT })
  .map(([, { variable }]) => variable)
  .filter((variable) => variable !== undefined)
  .filter((variable) => !NOT_A_FILE.test(variable));

/** Names that E2B's guide gives to files whose settings have another name here. */
const GUIDE_NAMES: Record<string, string> = { 'app-sandbox-routing-scope': 'ROUTING_SCOPE' };

/** Name of the file that holds a variable. */
export function fileNameOf(variable: string): string {
  return variable.toLowerCase().replaceAll('_', '-');
}

/** @throws Error if the folder cannot be read */
export function readKeyFiles({ config, configFile }: Layout): KeyFiles {
  const files: KeyFiles = { variables: {}, problems: [], unusable: [], version: '', configVersion: '' };
  const hash = createHash('sha256');
  for (const name of readdirSync(config).sort()) {
    if (name.startsWith('.')) continue;
    const read = readOne(join(config, name));
    hash.update(`${name}\0${read.text ?? read.problem}\0`);
    if (name === basename(configFile)) {
      files.configVersion = createHash('sha256')
        .update(read.text ?? '')
        .digest('hex');
      continue;
    }
    const wrong = (what: string) => files.problems.push(`The file ${name} ${what}`);
    const variable = GUIDE_NAMES[name] ?? FILE_VARIABLES.find((each) => fileNameOf(each) === name);
    if (variable === undefined) {
      const meant = nearest(name, FILE_VARIABLES.map(fileNameOf));
      wrong(`is not used: there is no such setting${meant ? `. Did you mean ${meant}?` : ''}`);
    } else if (variable === SIGNING_KEY && read.text !== undefined)
      signingKeyProblems(read.text).forEach(wrong);
    else {
      const problem = read.text === undefined ? read.problem : valueProblem(read.text);
      if (problem !== undefined) {
        wrong(problem);
        files.unusable.push(variable);
      } else files.variables[variable] = read.text ?? '';
    }
  }
  files.version = hash.digest('hex');
  return files;
}

function valueProblem(text: string): string | undefined {
  if (text === '') return 'is empty: write the value into it';
  if (text.includes('\n')) return 'has several lines: it must hold the value alone, on one line';
  if (CONTROL.test(text)) return 'holds control characters: write the value alone into it, as UTF-8 text';
  if (Buffer.byteLength(text) > MAX_VALUE_BYTES) return 'is larger than 8 KiB: no value is that long';
  return undefined;
}

/** Several keys are right here, each on a line of its own, while they are rotated. */
function signingKeyProblems(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) return ['is empty: write the signing key into it. Until then deliveries get 503'];
  const { what } = signingKeys;
  return keys.flatMap((key) =>
    isSigningKey(key) ? [] : [`must hold ${what}${butHolds(key, what)}. That line is not used`],
  );
}

function readOne(path: string): { text?: string; problem: string } {
  try {
    return { text: readSmallFile(path).trim(), problem: '' };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
