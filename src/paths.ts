// Finds files of this package, whether the code runs from the sources or from `dist/`.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = packageRoot(dirname(fileURLToPath(import.meta.url)));

/** Absolute path of a file of the package, given relative to its root: `projectPath('bundles/toolhost.mjs')`. */
export function projectPath(relative: string): string {
  return join(root, relative);
}

function packageRoot(dir: string): string {
  if (existsSync(join(dir, 'package.json'))) return dir;
  const parent = dirname(dir);
  if (parent === dir) throw new Error(`No package.json above ${fileURLToPath(import.meta.url)}`);
  return packageRoot(parent);
}
