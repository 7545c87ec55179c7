// Writes variables to `.env` without touching its other lines, so that only its owner can read it.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { writeAtomically } from './write-atomically.ts';

const OWNER_ONLY = 0o600;

/**
 * Sets variables in the file; comments, order and all other lines stay as they are. The file appears whole or not at all.
 * @param values by variable
 * @throws Error if a value cannot stand in such a file, or the file cannot be written
 */
export function writeEnvFile(path: string, values: Record<string, string>): void {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  writeAtomically(path, withVariables(before, values), OWNER_ONLY);
}

/** The text of an `.env` file with these variables set. @throws Error for a value that would need escapes */
export function withVariables(text: string, values: Record<string, string>): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  for (const [name, value] of Object.entries(values)) {
    if (!/^[\x21-\x7e]+$/.test(value) || /["'`#\\]/.test(value))
      throw new Error(`${name} has characters that .env cannot hold safely; set it as a variable instead`);
    const assignment = assignmentOf(name);
    // The last assignment wins where a name stands twice.
    const at = lines.findLastIndex((line) => assignment.test(line));
    const prefix = at < 0 ? '' : (/^\s*(export\s+)?/.exec(lines[at] ?? '')?.[0] ?? '');
    const line = `${prefix}${name}=${value}`;
    if (at < 0) lines.push(line);
    else lines[at] = line;
  }
  return lines.map((line) => line + newline).join('');
}

/** Removes variables from the file; all other lines stay. @returns the names that stood in it */
export function removeFromEnvFile(path: string, names: readonly string[]): string[] {
  const found = names.filter((name) => namesIn(path).has(name));
  if (found.length === 0) return [];
  const kept = readFileSync(path, 'utf8')
    .split(/(?<=\n)/)
    .filter((line) => !found.some((name) => assignmentOf(name).test(line)));
  writeAtomically(path, kept.join(''), OWNER_ONLY);
  return found;
}

/** The names of the variables that the file sets. */
export function namesIn(path: string): Set<string> {
  return new Set(existsSync(path) ? Object.keys(parseEnv(readFileSync(path, 'utf8'))) : []);
}

function assignmentOf(name: string): RegExp {
  return new RegExp(`^\\s*(export\\s+)?${name}\\s*=`);
}
