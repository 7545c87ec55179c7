// How people who run this program call it, so that commands in messages can be copied.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { projectPath } from './paths.ts';

const NAME = 'managed-agents-router';
/** Where npm puts the programs of packages that are not installed globally; npx finds them. */
const LOCAL_PROGRAM = join('node_modules', '.bin', NAME);

/**
 * In a clone the program is a script of npm, which finds `.env` and the configuration file only from the clone's folder.
 * @param script path of the script that runs, as it was given
 * @param folder working folder
 * @returns what to type before the name of a command
 */
export function programName(script: string | undefined, folder: string): string {
  if (script?.endsWith(LOCAL_PROGRAM)) return `npx ${NAME}`;
  const isClone = isSame(script, projectPath('src/main.ts')) && isSame(folder, projectPath(''));
  return isClone ? 'npm run router --' : NAME;
}

function isSame(path: string | undefined, other: string): boolean {
  try {
    return path !== undefined && realpathSync(path) === realpathSync(other);
  } catch {
    return false;
  }
}

const PROGRAM = programName(process.argv[1], process.cwd());

/** A command of this program as a person types it: `routerCommand('sessions show sesn_1')`. */
export function routerCommand(line: string): string {
  return `${PROGRAM} ${line}`;
}
