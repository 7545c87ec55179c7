/** Islo's router, which runs the tool calls from outside the sandbox; its sandboxes are replaced by E2B's. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../../harness/free-port.ts';
import { bash, script } from '../../../simulators/test/managed-agents.ts';
import { beside, npmInstallInto, type Running, run } from '../programs.ts';
import { checkout, type Source } from './checkout.ts';
import { type Clouds, items, openSession, sandboxes, startClouds, turn } from './clouds.ts';

const repository = 'islo-labs/claude-managed-agents';
const NEWER = { variable: 'ROUTER_ISLO', repository, commit: 'f7748653084ef69d9f1f8ed0b7d4b0470af48492' };
/** This version never acknowledges work items; neither does Cloudflare's router. */
const OLDER = { ...NEWER, variable: 'ROUTER_ISLO_OLDER', commit: 'bcc64b77464872a4cd10bd1a9cd88c8438d5d055' };

let folder: string;
let own: string;
let clouds: Clouds;
let router: Running | undefined;
afterEach(async () => {
  await router?.end();
  router = undefined;
  await clouds?.end();
  if (own) await rm(own, { recursive: true, force: true });
});

/** Installs all dependencies except Islo's own SDK from npm, into the folder above the sources. */
async function prepare(source: Source): Promise<void> {
  folder = await checkout(source);
  if (!existsSync(join(folder, 'src/index.ts'))) throw new Error(`${folder} has no src/index.ts`);
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const { '@islo-labs/sdk': _, ...wanted } = { ...dependencies, tsx: devDependencies.tsx, e2b: '2.51.0' };
  const above = join(folder, '..');
  await npmInstallInto(
    above,
    Object.entries(wanted).map(([name, range]) => `${name}@${range}`),
  );
  const sdk = join(above, 'node_modules/@islo-labs/sdk');
  await cp(beside('routers/adapters/islo'), sdk, { recursive: true });
  own = await mkdtemp(join(tmpdir(), 'router-'));
  clouds = await startClouds();
}

test.each([
  ['serves two turns of a session, and goes on with its item after a restart', NEWER],
  ['serves two turns of a session on an item that it never acknowledged', OLDER],
])('%s', async (_name, source) => {
  await prepare(source);
  const port = await freePort();
  const secret = await clouds.webhook(
    `http://127.0.0.1:${port}/webhooks`,
    'session.status_run_started',
    'session.status_idled',
    'session.status_terminated',
  );
  const start = async () => {
    const settings = {
      ...clouds.addresses,
      ENVIRONMENT_ID: clouds.environmentId,
      ANTHROPIC_ENVIRONMENT_KEY: clouds.environmentKey,
      WEBHOOK_SECRET: secret,
      ISLO_API_KEY: 'unused',
      ISLO_API_BASE_URL: 'http://127.0.0.1:1',
      PORT: String(port),
      DATABASE_PATH: join(own, 'sessions.db'),
    };
    router = run(process.execPath, ['--import', 'tsx', 'src/index.ts'], settings, folder);
    await router.says('listening');
    return router;
  };
  const server = await start();
  const session = await openSession(clouds);
  const first = await turn(
    clouds,
    server,
    session,
    script(
      [{ name: 'write', input: { file_path: 'numbers', content: '3\n4\n5\n' } }],
      [bash("awk '{ sum += $1 } END { print sum }' numbers > sum")],
      [bash('cat sum; pwd')],
    ),
  );
  expect(first, server.output()).toEqual(['12', '/workspace']);
  await server.says('[snapshot] saved');
  expect(await items(clouds)).toEqual(['active']);

  if (source === NEWER) await server.end();
  const again = source === NEWER ? await start() : server;
  const second = await turn(
    clouds,
    again,
    session,
    script([
      { name: 'edit', input: { file_path: 'numbers', old_string: '3', new_string: '4' } },
      { name: 'glob', input: { pattern: '*' } },
      { name: 'read', input: { file_path: 'sum' } },
    ]),
  );
  expect(second.join(' '), again.output()).toMatch(/\/workspace\/numbers.* 12$/);
  if (source === NEWER) expect(again.output()).toContain('heartbeat resync');
  expect([await items(clouds), Object.values(await sandboxes(clouds))]).toEqual([['active'], ['running']]);
});
