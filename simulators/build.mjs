// Builds `dist/` of the npm package: the compiled simulators, and the sandbox agent as one file. In the repository the
// simulators run from their sources.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleAgent } from './e2b/isolation/agent-bundle.ts';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(at('dist'), { recursive: true, force: true });
const tsc = fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', at('tsconfig.build.json')], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
writeFileSync(at('dist/sandbox-agent.mjs'), await bundleAgent());
