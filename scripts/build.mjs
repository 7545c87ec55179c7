// Builds the bundles and, with `--package`, `dist/`. The npm package and the image contain compiled code, because Node
// strips no types below `node_modules`. Everything in this repository runs from the sources.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeBundles } from './bundles.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await makeBundles();
if (process.argv.includes('--package')) {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  // Declarations are built only for the entry points of users' code and what these import.
  for (const config of ['tsconfig.build.json', 'tsconfig.types.json']) {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, config)], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}
