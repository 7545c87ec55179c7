/** Tensorlake's router, similar to Anthropic's sample for Modal; its sandboxes are replaced by E2B's. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Template } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../../harness/free-port.ts';
import { bash, script } from '../../../simulators/test/managed-agents.ts';
import { beside, python, type Running, run } from '../programs.ts';
import { checkout } from './checkout.ts';
import { type Clouds, items, openSession, passUntilPaused, sandboxes, startClouds, turn } from './clouds.ts';

const SOURCE = {
  variable: 'ROUTER_TENSORLAKE',
  repository: 'tensorlakeai/claude-managed-agents-tensorlake-sandbox',
  commit: '1b26bf01cf4b8d14bd3a1cf75a34abdcdcea517d',
};
// The versions of its lock file: `anthropic` 2.14.0 refuses its `httpx` client.
const SDK = ['anthropic[webhooks]==0.105.2', 'httpx==0.28.1'];
const exec = promisify(execFile);

let folder: string;
let context: string;
let interpreter: string;
let clouds: Clouds;
let router: Running | undefined;
beforeAll(async () => {
  folder = join(await checkout(SOURCE), 'examples/managed-agent/src');
  if (!existsSync(folder)) throw new Error(`${folder} is not there: is this the whole repository?`);
  interpreter = await python(...SDK, 'fastapi==0.136.3', 'uvicorn==0.30.6', 'dotenv==0.9.9', 'e2b==2.63.0');
  context = await mkdtemp(join(tmpdir(), 'router-'));
  clouds = await startClouds();
});
afterAll(async () => {
  await router?.end();
  await clouds?.end();
  await rm(context, { recursive: true, force: true });
});

/** Their image: the SDK and the program that runs in each sandbox, plus the URL of the API. */
async function buildTemplate({ e2b, managed }: Clouds): Promise<void> {
  const version = 'import sys; print("%d.%d" % sys.version_info[:2])';
  const inside = (await exec('/usr/bin/python3', ['-c', version])).stdout.trim();
  const target = ['--target', join(context, 'packages'), '--python-version', inside];
  await exec(interpreter, ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', ...target, ...SDK]);
  await cp(join(folder, 'sandbox_entrypoint.py'), join(context, 'sandbox_entrypoint.py'));
  const settings = {
    ANTHROPIC_BASE_URL: managed.url,
    PYTHONPATH: '/opt/packages',
    RUNNER_MAX_IDLE_SECONDS: '5',
  };
  const template = Template({ fileContextPath: context })
    .fromBaseImage()
    .copy('packages', '/opt/packages', { user: 'root' })
    .copy('sandbox_entrypoint.py', '/opt/', { user: 'root' })
    .setUser('root')
    .runCmd('mkdir -p /workspace && chown user /workspace');
  for (const [name, value] of Object.entries(settings))
    template.runCmd(`echo export ${name}=${value} >> /etc/profile.d/runner.sh`);
  await Template.build(template.setUser('user'), 'agent-cli', { apiKey: e2b.apiKey, apiUrl: e2b.url });
}

test('serves two turns of a session in one sandbox, which is suspended between them', async () => {
  await buildTemplate(clouds);
  const port = await freePort();
  router = run(
    interpreter,
    ['-m', 'uvicorn', '--app-dir', folder, 'claude_webhook_handler:app', '--port', String(port)],
    {
      ...clouds.addresses,
      ANTHROPIC_ENVIRONMENT_ID: clouds.environmentId,
      ANTHROPIC_ENVIRONMENT_KEY: clouds.environmentKey,
      ANTHROPIC_WEBHOOK_SIGNING_KEY: await clouds.webhook(
        `http://127.0.0.1:${port}/`,
        'session.status_run_started',
      ),
      ORCHESTRATOR_LOCK_FILE: join(context, 'lock'),
      PYTHONPATH: beside('routers/adapters'),
      PYTHONDONTWRITEBYTECODE: '1',
      RESUME_SUSPENDED_SESSIONS: 'true',
    },
  );
  await router.says('Uvicorn running');

  const session = await openSession(clouds);
  const first = await turn(
    clouds,
    router,
    session,
    script(
      [{ name: 'write', input: { file_path: 'numbers', content: '3\n4\n5\n' } }],
      [bash("awk '{ sum += $1 } END { print sum }' numbers > sum")],
      [bash('cat sum; pwd; whoami')],
    ),
  );
  expect(first, router.output()).toEqual(['12', '/workspace', 'user']);

  await expect.poll(() => items(clouds), { timeout: 60_000, interval: 1000 }).toEqual(['stopped']);
  const [sandbox = ''] = Object.keys(await sandboxes(clouds));
  await passUntilPaused(clouds, 3601);
  const second = await turn(
    clouds,
    router,
    session,
    script([bash('cat numbers'), { name: 'read', input: { file_path: 'sum' } }]),
  );
  expect(second.join(' ')).toMatch(/3 4 5 .*12/);
  expect(await sandboxes(clouds)).toEqual({ [sandbox]: 'running' });
});
