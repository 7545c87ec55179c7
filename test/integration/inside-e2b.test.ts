// The supervisor of a router inside E2B, as a process on this machine: keys that are files.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { findTemporalCli } from '../../harness/temporal-binary.ts';
import { layoutIn } from '../../src/inside-e2b/layout.ts';
import { projectPath } from '../../src/paths.ts';

vi.setConfig({ testTimeout: 180_000 });
const patient = { timeout: 90_000 };

const E2B_KEY = 'e2b_00112233445566778899';
const ENVIRONMENT_KEY = 'sk-ant-oat01-not-a-real-key';
const SIGNING_KEY = 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0';

let folder: string;
let port: number;
let router: ChildProcess;

const layout = () => layoutIn(folder);
const put = (name: string, content: string) => writeFileSync(join(layout().config, name), content);
const state = () => JSON.parse(readFileSync(layout().state, 'utf8'));
const log = (name: 'supervisor' | 'webhook' | 'worker') =>
  existsSync(layout().logs[name]) ? readFileSync(layout().logs[name], 'utf8') : '';
const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
const deliver = () =>
  ask('/webhook', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });

async function start(): Promise<void> {
  const args = [
    'inside-e2b',
    '--folder',
    folder,
    '--port',
    String(port),
    '--temporal-port',
    String(await freePort()),
  ];
  router = spawn(process.execPath, [projectPath('src/main.ts'), ...args], {
    env: { PATH: process.env.PATH, HOME: folder, E2B_API_KEY: 'e2b_of_the_process_is_not_used' },
    stdio: 'ignore',
  });
  await expect
    .poll(
      () =>
        ask('/health').then(
          ({ status }) => status,
          () => 0,
        ),
      patient,
    )
    .toBe(200);
}

function putKeys(): void {
  put('e2b-api-key', E2B_KEY);
  put('e2b-api-url', 'http://127.0.0.1:9');
  put('anthropic-base-url', 'http://127.0.0.1:9');
  put('anthropic-environment-id', 'env_inside\n');
  put('anthropic-environment-key', ENVIRONMENT_KEY);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inside-e2b-'));
  port = await freePort();
  for (const each of ['current/bin', 'config']) mkdirSync(join(folder, each), { recursive: true });
  symlinkSync(await findTemporalCli(), join(folder, 'current/bin/temporal'));
});
afterEach(async () => {
  if (router.exitCode === null && router.signalCode === null) {
    router.kill('SIGTERM');
    await once(router, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

it('answers before there are keys, and serves when the files are there, in any order', async () => {
  await start();
  expect((await deliver()).status).toBe(503);
  expect(state()).toMatchObject({
    webhook: expect.stringMatching(/starts|runs/),
    worker: 'waits for its keys',
    problems: expect.arrayContaining([expect.stringContaining('The file e2b-api-key is not there yet')]),
  });
  putKeys();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  // The signing key is read without a restart: 401 is about the signature.
  expect((await deliver()).status).toBe(503);
  const { pid } = await webhookProcess();
  put('anthropic-webhook-signing-key', `${SIGNING_KEY}\n`);
  await expect.poll(() => deliver().then(({ status }) => status), patient).toBe(401);
  expect((await webhookProcess()).pid).toBe(pid);
});

it('a key that changes reaches the worker; a wrong file changes nothing and is said, never quoted', async () => {
  putKeys();
  await start();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  const starts = () => log('supervisor').split('worker starts').length - 1;
  expect(starts()).toBe(1);

  const secret = 'sk-ant-api03-of-the-organisation';
  for (const [name, content, said] of [
    ['e2b-api-key', '', 'The file e2b-api-key is empty'],
    ['e2b-api-key', `${E2B_KEY}\n${E2B_KEY}\n`, 'The file e2b-api-key has several lines'],
    ['anthropic-environment-key', secret, 'but holds an API key of your Anthropic organisation'],
    [
      'anthropic-webhook-signing-key',
      secret,
      'The file anthropic-webhook-signing-key must hold a signing key',
    ],
    ['anthropic-enviroment-key', secret, 'Did you mean anthropic-environment-key?'],
  ] as const) {
    const before = existsSync(join(layout().config, name))
      ? readFileSync(join(layout().config, name))
      : undefined;
    put(name, content);
    await expect
      .poll(() => state().problems, patient)
      .toEqual(expect.arrayContaining([expect.stringContaining(said)]));
    expect(state().worker).toBe('runs');
    if (before) put(name, before.toString());
    else rmSync(join(layout().config, name));
    await expect.poll(() => state().problems, patient).toEqual([]);
  }
  expect(starts()).toBe(1);

  put('anthropic-environment-key', 'sk-ant-oat01-another-key-of-it');
  await expect.poll(starts, patient).toBe(2);
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  const said =
    (['supervisor', 'webhook', 'worker'] as const).map(log).join('') + readFileSync(layout().state, 'utf8');
  for (const key of [secret, E2B_KEY, ENVIRONMENT_KEY, 'sk-ant-oat01-another-key-of-it'])
    expect(said).not.toContain(key);
});

it('a file that cannot be used is reported once, and what runs keeps the value that it had', async () => {
  const wrong = [
    ['anthropic-environment-id', 'env\0inside', 'The file anthropic-environment-id holds control characters'],
    ['anthropic-environment-key', 'one\ntwo\n', 'The file anthropic-environment-key has several lines'],
    ['e2b-api-key', '', 'The file e2b-api-key is empty'],
  ] as const;
  putKeys();
  for (const [name, content] of wrong) put(name, content);
  put('session-grace-seconds', '17');
  await start();
  const reported = wrong.map(([, , said]) => expect.stringContaining(said));
  await expect.poll(() => state().problems, patient).toEqual(reported);
  putKeys();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  const starts = () => log('supervisor').split('worker starts').length - 1;
  const before = starts();
  for (const content of ['', '17\n18\n', '17\0']) {
    put('session-grace-seconds', content);
    await expect
      .poll(() => state().problems, patient)
      .toEqual([expect.stringContaining('The file session-grace-seconds')]);
    put('session-grace-seconds', '17');
    await expect.poll(() => state().problems, patient).toEqual([]);
  }
  // No restart, which a default in the place of the value would need.
  expect(starts()).toBe(before);
  expect(state()).toMatchObject({ pid: router.pid, worker: 'runs' });
});

it('a configuration file that changes reaches webhook server and worker', async () => {
  putKeys();
  put('managed-agents-router.yaml', 'session:\n  graceSeconds: 45\n');
  await start();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  const { pid } = await webhookProcess();
  const starts = () => log('supervisor').split('worker starts').length - 1;
  expect(starts()).toBe(1);
  put('managed-agents-router.yaml', 'session:\n  graceSeconds: 46\n');
  await expect.poll(starts, patient).toBe(2);
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  expect((await webhookProcess()).pid).not.toBe(pid);
});

it('a process that ends again and again is a problem, also while it is being started', async () => {
  putKeys();
  await start();
  await expect.poll(state, patient).toMatchObject({ webhook: 'runs', worker: 'runs', problems: [] });
  for (const said of [
    'The webhook server has ended (SIGKILL)',
    'has ended (2 times in a row, last SIGKILL)',
  ]) {
    const { pid } = await webhookProcess();
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => state().problems, patient).toEqual([expect.stringContaining(said)]);
    await expect.poll(state, patient).toMatchObject({ webhook: 'runs' });
  }
});

it('a supervisor that is killed leaves nothing behind, and its successor goes on with the database', async () => {
  putKeys();
  await start();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs' });
  router.kill('SIGKILL');
  await once(router, 'exit');
  await expect
    .poll(
      () =>
        ask('/health').then(
          () => 'answers',
          () => 'ended',
        ),
      patient,
    )
    .toBe('ended');
  await start();
  await expect.poll(state, patient).toMatchObject({ pid: router.pid, worker: 'runs' });
});

it('the webhook server, which the internet reaches, has no key in its environment', async () => {
  putKeys();
  await start();
  await expect.poll(state, patient).toMatchObject({ worker: 'runs' });
  const { environment } = await webhookProcess();
  expect(environment).toContain('ANTHROPIC_ENVIRONMENT_ID=env_inside');
  for (const key of [E2B_KEY, ENVIRONMENT_KEY, 'e2b_of_the_process']) expect(environment).not.toContain(key);
});

/** The child of the supervisor that runs `webhook`. */
async function webhookProcess(): Promise<{ pid: number; environment: string }> {
  const children = readFileSync(`/proc/${router.pid}/task/${router.pid}/children`, 'utf8').trim().split(' ');
  const pid = children
    .map(Number)
    .find((each) => readFileSync(`/proc/${each}/cmdline`, 'utf8').split('\0').includes('webhook'));
  if (!pid) throw new Error('no webhook server');
  return { pid, environment: readFileSync(`/proc/${pid}/environ`, 'utf8') };
}
