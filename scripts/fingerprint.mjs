// Tells whether dist/ was built from the sources as they are: a hash of everything a build reads.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOMS = [
  'src',
  'workflows',
  'activities',
  'toolhost',
  'template',
  'simulators',
  'demo',
  'harness',
  'bench',
  'chaos',
  'scripts',
];
const FILES = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/** Where a build leaves the fingerprint of what it was made from. */
export const FINGERPRINT_FILE = 'fingerprint';

/**
 * @param {string} root the project's folder
 * @returns {string} the same for the same sources, whenever and wherever they were written
 */
export function fingerprint(root) {
  const rooms = ROOMS.filter((room) => existsSync(join(root, room)));
  const sources = rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const hash = createHash('sha256');
  for (const file of [...FILES.map((name) => join(root, name)), ...sources.sort()]) {
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}
