// Builds everything that runs from `dist/`: the compiled sources, the single-file toolhost and sandbox agent,
// and the workflow bundle that workers and replay tests load. A build that fails leaves `dist/` as it was.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import * as esbuild from 'esbuild';
import { FINGERPRINT_FILE, fingerprint } from './fingerprint.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Programs that run inside a sandbox: one file each, nothing beside it but Node. */
const SINGLE_FILES = {
  'toolhost/main.ts': 'toolhost.mjs',
  'simulators/e2b/agent/main.ts': 'sandbox-agent.mjs',
};

async function build(outDir) {
  // Taken first: a source that changes meanwhile asks for the next build.
  const builtFrom = fingerprint(root);
  compile(outDir);
  for (const [entry, name] of Object.entries(SINGLE_FILES)) {
    if (existsSync(join(root, entry))) await bundle(join(root, entry), join(outDir, name));
  }
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows/index.ts'),
    payloadConverterPath: join(root, 'workflows/payload-converter.ts'),
    logger: new DefaultLogger('WARN'),
  });
  await writeFile(join(outDir, 'workflow-bundle.js'), code);
  await writeFile(join(outDir, FINGERPRINT_FILE), builtFrom);
}

function compile(outDir) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', outDir];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

async function bundle(entry, outfile) {
  await esbuild.build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    // Bundled CommonJS packages expect `require`.
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
    },
  });
}

await mkdir(join(root, '.cache'), { recursive: true });
const scratch = await mkdtemp(join(root, '.cache/build-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
await build(join(scratch, 'new'));
// Programs that run from the old one keep what they have loaded.
if (existsSync(join(root, 'dist'))) await rename(join(root, 'dist'), join(scratch, 'old'));
await rename(join(scratch, 'new'), join(root, 'dist'));
