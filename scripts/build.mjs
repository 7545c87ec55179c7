// Builds everything that runs from `dist/`: the compiled sources, the single-file toolhost and sandbox agent,
// and the workflow bundle that workers and replay tests load.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => `${root}${path}`;

/** Programs that run inside a sandbox: one file each, nothing beside it but Node. */
const SINGLE_FILES = {
  'toolhost/main.ts': 'dist/toolhost.mjs',
  'simulators/e2b/agent/main.ts': 'dist/sandbox-agent.mjs',
};

await rm(at('dist'), { recursive: true, force: true });
const tsc = spawnSync(
  process.execPath,
  [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.build.json')],
  {
    stdio: 'inherit',
  },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

for (const [entry, outfile] of Object.entries(SINGLE_FILES)) {
  if (!existsSync(at(entry))) continue;
  await esbuild.build({
    entryPoints: [at(entry)],
    outfile: at(outfile),
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

if (existsSync(at('workflows/index.ts'))) {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: at('workflows/index.ts'),
    logger: new DefaultLogger('WARN'),
  });
  await writeFile(at('dist/workflow-bundle.js'), code);
}
