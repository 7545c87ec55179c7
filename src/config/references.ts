// References in the configuration file to values kept elsewhere: `${env:NAME}` and `${file:/run/secrets/x}`.
import { dirname, resolve } from 'node:path';
import { readSmallFile } from './small-file.ts';

export type Environment = Record<string, string | undefined>;

const REFERENCE = /^\$\{(?:env:([A-Za-z_]\w*)|file:([^{}]+))\}$/;
/** The same pattern for the JSON Schema. */
export const REFERENCE_PATTERN = '^\\$\\{(env:[A-Za-z_]\\w*|file:[^{}]+)\\}$';

/** Whether the value is one well-formed reference and nothing else. */
export function isReference(value: unknown): value is string {
  return typeof value === 'string' && REFERENCE.test(value);
}

/** Whether the value contains a reference, well formed or not. */
export function holdsReference(value: unknown): boolean {
  return typeof value === 'string' && value.includes('${');
}

/**
 * Looks a reference up.
 * @param configFile relative paths in references start at the folder of this file
 * @returns the trimmed text, or a problem that completes the sentence "<setting> …"
 */
export function resolveReference(
  reference: string,
  env: Environment,
  configFile: string,
): { text: string } | { problem: string } {
  const [, variable, path = ''] = REFERENCE.exec(reference) ?? [];
  const text = variable === undefined ? readText(resolve(dirname(configFile), path)) : env[variable]?.trim();
  if (text) return { text };
  if (variable !== undefined) return { problem: `refers to the variable ${variable}, which is not set` };
  const reason = text === undefined ? 'cannot be read or has more than 64 KiB' : 'is empty';
  return { problem: `refers to the file ${path}, which ${reason}` };
}

/** @returns undefined if there is no such file, or it cannot be read or is too large */
function readText(path: string): string | undefined {
  try {
    return readSmallFile(path).trim();
  } catch {
    return undefined;
  }
}
