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
  /** Differs whenever a file has changed. */
  version: string;
  /** Differs whenever the configuration file has changed: of it the variables have the path alone. */
  configVersion: string;
}

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
  const files: KeyFiles = { variables: {}, problems: [], version: '', configVersion: '' };
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
    } else if (read.text === undefined) wrong(read.problem);
    else if (variable === SIGNING_KEY) signingKeyProblems(read.text).forEach(wrong);
    else {
      if (read.text.includes('\n')) wrong('has several lines: it must hold the value alone, on one line');
      else if (read.text === '') wrong('is empty: write the value into it');
      else files.variables[variable] = read.text;
    }
  }
  files.version = hash.digest('hex');
  return files;
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
