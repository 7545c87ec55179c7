// Builds the bundles: the workflows, which a worker loads into an isolate, and the toolhost, a single file in a sandbox. A
// bundle is rebuilt only if its sources have changed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const RECORD = '.cache/bundles.json';

/** Keep no state of a workflow outside of its functions (test/workflows/shared-modules.test.ts), nor does what they import. */
const PRELOADED = ['workflows/index.ts', 'workflows/payload-converter.ts', 'workflows/hand-out-status.ts'];

/** Further inputs of the bundles: the locked packages and the build itself. */
const COMMON = ['package-lock.json', 'scripts/bundles.mjs'];

const BUNDLES = [
  { file: 'bundles/workflows.js', folder: 'workflows', make: () => bundleWorkflows() },
  {
    file: 'bundles/workflows-encrypted.js',
    folder: 'workflows',
    make: () => bundleWorkflows({ failureConverterPath: join(root, 'workflows/failure-converter.ts') }),
  },
  { file: 'bundles/toolhost.mjs', folder: 'toolhost', make: bundleToolhost },
];

/** Whether all bundles exist and match their sources. Imports no package, so that the set-up can call it first. */
export function bundlesAreCurrent() {
  return outdated().length === 0;
}

/** Builds missing and outdated bundles. Several processes may do this at the same time. */
export async function makeBundles() {
  for (const { file, folder, make } of outdated()) {
    // Computed before the build, so that a source that changes meanwhile triggers the next build.
    const madeFrom = fingerprint(folder);
    write(file, await make());
    write(RECORD, JSON.stringify({ ...readRecord(), [file]: madeFrom }));
  }
}

function outdated() {
  const record = readRecord();
  return BUNDLES.filter(
    ({ file, folder }) => !existsSync(join(root, file)) || record[file] !== fingerprint(folder),
  );
}

/** @param options further options of Temporal's bundler */
async function bundleWorkflows(options = {}) {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows/index.ts'),
    payloadConverterPath: join(root, 'workflows/payload-converter.ts'),
    workflowInterceptorModules: [join(root, 'workflows/hand-out-status.ts')],
    // Loaded once for all workflows of a worker instead of once for each: a cached session takes a third less memory.
    preloadModules: PRELOADED.map((file) => join(root, file)),
    logger: new DefaultLogger('WARN'),
    ...options,
  });
  return code;
}

async function bundleToolhost() {
  const esbuild = await import('esbuild');
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(root, 'toolhost/main.ts')],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    logLevel: 'warning',
    // Bundled CommonJS packages expect `require`.
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
    },
  });
  return outputFiles[0].text;
}

/** A hash of the sources' contents, independent of their time and location. */
function fingerprint(folder) {
  const sources = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
  const hash = createHash('sha256');
  for (const file of [...COMMON, ...sources.sort()]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function readRecord() {
  return existsSync(join(root, RECORD)) ? JSON.parse(readFileSync(join(root, RECORD), 'utf8')) : {};
}

/** Writes a temporary file and renames it, so that no program reads a partial file. */
function write(file, content) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  const temporary = join(root, `${file}.${process.pid}`);
  writeFileSync(temporary, content);
  renameSync(temporary, join(root, file));
}
