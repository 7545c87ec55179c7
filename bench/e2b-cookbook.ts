// E2B's cookbook router as a peer: `npm run bench -- --peer "node bench/e2b-cookbook.ts CHECKOUT"`. Its packages must be
// installed (`npm install` in examples/anthropic-managed-agents/javascript of the checkout).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildCookbookTemplate, COOKBOOK_ARGS, COOKBOOK_ROUTER } from '../harness/e2b-cookbook.ts';

const [checkout = ''] = process.argv.slice(2);
const { E2B_API_KEY = '', E2B_API_URL = '', ANTHROPIC_BASE_URL = '', STATE_DIR = '' } = process.env;
const folder = join(resolve(checkout), COOKBOOK_ROUTER);
if (!existsSync(join(folder, 'node_modules'))) {
  throw new Error(
    `${folder} has no installed packages: give a checkout of e2b-dev/e2b-cookbook, and npm install there`,
  );
}
await buildCookbookTemplate(folder, { apiKey: E2B_API_KEY, apiUrl: E2B_API_URL }, ANTHROPIC_BASE_URL);
const router = spawn(process.execPath, COOKBOOK_ARGS, {
  cwd: folder,
  env: {
    ...process.env,
    APP_SANDBOX_ROUTING_SCOPE: 'session',
    APP_SANDBOX_STORE_PATH: join(STATE_DIR, 'sandboxes.json'),
  },
  stdio: 'inherit',
});
router.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
