/** The agent program as one file: taken from the build, or bundled on demand when run from sources. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root folder of the package, whether run from sources or from `dist/`. */
export const PACKAGE_ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));

/** Folder below `cacheDir` with `agent.mjs`; its name contains a hash of the content. */
export async function ensureAgentBundle(cacheDir: string): Promise<string> {
  const code = await agentCode();
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 12);
  const dir = join(cacheDir, `sandbox-agent-${hash}`);
  const file = join(dir, 'agent.mjs');
  if (existsSync(file)) return dir;
  await mkdir(dir, { recursive: true, mode: 0o755 });
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, code, { mode: 0o644 });
  await rename(temporary, file);
  return dir;
}

async function agentCode(): Promise<string> {
  const built = new URL('../../sandbox-agent.mjs', import.meta.url);
  return existsSync(built) ? readFile(built, 'utf8') : bundleAgent();
}

/** Bundles the agent from the sources. The package contains the bundle. */
export async function bundleAgent(): Promise<string> {
  const { buildSync } = await import('esbuild');
  const { outputFiles } = buildSync({
    entryPoints: [join(PACKAGE_ROOT, 'e2b/agent/main.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    logLevel: 'silent',
    // Bundled CommonJS packages expect `require`.
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);",
    },
  });
  return outputFiles[0]?.text ?? '';
}

function packageRoot(dir: string): string {
  if (existsSync(join(dir, 'package.json'))) return dir;
  const parent = dirname(dir);
  if (parent === dir) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
  return packageRoot(parent);
}
