// The bounds on memory under which the image runs Node, for what measures memory.
import { readFileSync } from 'node:fs';
import { projectPath } from '../src/paths.ts';

/** @throws Error if the Dockerfile does not set it */
function settingOf(name: string): string {
  const value = new RegExp(`\\b${name}=(?:"([^"]*)"|(\\S+))`).exec(
    readFileSync(projectPath('Dockerfile'), 'utf8'),
  );
  if (!value) throw new Error(`the Dockerfile does not set ${name}`);
  return value[1] ?? value[2] ?? '';
}

export const IMAGE_SETTINGS = {
  MALLOC_ARENA_MAX: settingOf('MALLOC_ARENA_MAX'),
  NODE_OPTIONS: settingOf('NODE_OPTIONS'),
};
