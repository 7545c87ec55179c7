/** E2B's cookbook router: its webhook server on the host, its worker in a sandbox, pause and resume. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildCookbookTemplate, COOKBOOK_ARGS, COOKBOOK_ROUTER } from '../../../harness/e2b-cookbook.ts';
import { freePort } from '../../../harness/free-port.ts';
import { bash, script } from '../../../simulators/test/managed-agents.ts';
import { npmInstall, type Running, run } from '../programs.ts';
import { checkout } from './checkout.ts';
import { type Clouds, items, openSession, passUntilPaused, sandboxes, startClouds, turn } from './clouds.ts';

const SOURCE = {
  variable: 'ROUTER_E2B_COOKBOOK',
  repository: 'e2b-dev/e2b-cookbook',
  commit: 'c1a3ea14f644e35189f08fde93118d2b5dbedf4a',
};

let folder: string;
let own: string;
let clouds: Clouds;
let router: Running | undefined;
beforeAll(async () => {
  folder = join(await checkout(SOURCE), COOKBOOK_ROUTER);
  if (!existsSync(folder)) throw new Error(`${folder} is not there: is this the whole repository?`);
  await npmInstall(folder);
});
beforeEach(async () => {
  own = await mkdtemp(join(tmpdir(), 'router-'));
  clouds = await startClouds();
});
afterEach(async () => {
  await router?.end();
  router = undefined;
  await clouds?.end();
  if (own) await rm(own, { recursive: true, force: true });
});

async function start(scope: string): Promise<Running> {
  const { e2b, managed } = clouds;
  await buildCookbookTemplate(folder, { apiKey: e2b.apiKey, apiUrl: e2b.url }, managed.url);
  const port = await freePort();
  router = run(
    process.execPath,
    COOKBOOK_ARGS,
    {
      ...clouds.addresses,
      PORT: String(port),
      ANTHROPIC_API_KEY: managed.apiKey,
      ANTHROPIC_ENVIRONMENT_ID: clouds.environmentId,
      ANTHROPIC_ENVIRONMENT_KEY: clouds.environmentKey,
      ANTHROPIC_WEBHOOK_SIGNING_KEY: await clouds.webhook(
        `http://127.0.0.1:${port}/webhook`,
        'session.status_run_started',
      ),
      APP_SANDBOX_ROUTING_SCOPE: scope,
      APP_SANDBOX_STORE_PATH: join(own, 'store.json'),
    },
    folder,
  );
  await router.says('listening');
  return router;
}

test('serves two turns of a session in one sandbox, which is paused between them', async () => {
  const server = await start('session');
  const { managed, e2b, environmentId } = clouds;
  const session = await openSession(clouds);
  const first = await turn(
    clouds,
    server,
    session,
    script(
      [{ name: 'write', input: { file_path: 'numbers', content: '3\n4\n5\n' } }],
      [bash("awk '{ sum += $1 } END { print sum }' numbers > sum; pwd; whoami; export KEPT=yes")],
      [bash('cat sum; echo $KEPT'), { name: 'read', input: { file_path: 'numbers' } }],
    ),
  );
  expect(first.slice(0, 2), server.output()).toEqual(['12', 'yes']);
  const [sandbox = ''] = Object.keys(await sandboxes(clouds));
  const environment = await managed.organization.beta.environments.retrieve(environmentId);
  expect(environment.metadata.e2b_worker_sandbox_id).toBe(sandbox);

  // The worker ends after 30 idle seconds and stops its item. Without further requests the sandbox then times out.
  await expect.poll(() => items(clouds), { timeout: 60_000, interval: 1000 }).toEqual(['stopped']);
  await passUntilPaused(clouds, 301);
  const knock = { 'e2b-sandbox-id': sandbox, 'e2b-sandbox-port': '8000' };
  expect(await (await fetch(`${e2b.url}/health`, { headers: knock })).json()).toEqual({ ok: true });
  expect(await sandboxes(clouds)).toEqual({ [sandbox]: 'running' });
  await passUntilPaused(clouds, 3601);

  const second = await turn(clouds, server, session, 'Use bash to pwd; whoami; cat sum numbers; echo $KEPT.');
  expect(second).toEqual(['/mnt/session', 'user', '12', '3', '4', '5']);
  expect(Object.keys(await sandboxes(clouds))).toEqual([sandbox]);
  expect(JSON.parse(await readFile(join(own, 'store.json'), 'utf8'))).toMatchObject([
    { sessionId: session, sandboxId: sandbox },
  ]);
  const inside = await e2b.Sandbox.connect(sandbox);
  expect(await inside.files.read('/mnt/session/sum')).toBe('12\n');
});

test('serves the sessions of an agent in one sandbox, each by a worker of its own', async () => {
  const server = await start('agent');
  const [first, second] = [await openSession(clouds), await openSession(clouds)];
  await turn(clouds, server, first, 'Use bash to echo of the first > file.');
  const told = turn(clouds, server, second, 'Use bash to sleep 3; cat file.');
  expect(await turn(clouds, server, first, 'Use bash to cat file.')).toEqual(['of the first']);
  expect(await told).toEqual(['of the first']);
  expect(Object.values(await sandboxes(clouds))).toEqual(['running']);
});
