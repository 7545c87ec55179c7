// A router inside E2B whose disk is full: on this machine, with its folder on a small disk of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { findTemporalCli } from '../../harness/temporal-binary.ts';
import { layoutIn } from '../../src/inside-e2b/layout.ts';
import { projectPath } from '../../src/paths.ts';
import { eventBody, newSigningKey, signed } from '../src/signed-delivery.ts';

const patient = { timeout: 120_000 };
const DISK = '96m';

let folder: string;
let port: number;
let router: ChildProcess;
const key = newSigningKey();

/** A path as the router sees it: its disk is mounted for it alone. */
const inside = (path: string) => `/proc/${router.pid}/root${path}`;
const state = () => JSON.parse(readFileSync(inside(layoutIn(folder).state), 'utf8'));

let deliveries = 0;
async function deliver(): Promise<number> {
  deliveries += 1;
  const id = `whe_disk${deliveries}`;
  const body = eventBody('session.status_run_started', id, `sesn_disk${deliveries}`);
  const { headers, payload } = signed(key, body, { id });
  const init = { method: 'POST', headers, body: payload.toString(), signal: AbortSignal.timeout(20_000) };
  return fetch(`http://127.0.0.1:${port}/webhook`, init).then(
    ({ status }) => status,
    () => 0,
  );
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
  for (const each of ['current/bin', 'config', 'data']) mkdirSync(join(folder, each), { recursive: true });
  symlinkSync(await findTemporalCli(), join(folder, 'current/bin/temporal'));
  const files = {
    'e2b-api-key': 'e2b_00112233445566778899',
    'e2b-api-url': 'http://127.0.0.1:9',
    'anthropic-base-url': 'http://127.0.0.1:9',
    'anthropic-environment-id': 'env_disk',
    'anthropic-environment-key': 'sk-ant-oat01-not-a-real-key',
    'anthropic-webhook-signing-key': key,
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, 'config', name), content);
  port = await freePort();
  const program = [process.execPath, projectPath('src/main.ts'), 'inside-e2b', '--folder', folder];
  const ports = ['--port', String(port), '--temporal-port', String(await freePort())];
  const script = `mount -t tmpfs -o size=${DISK} disk "${folder}/data" && exec "$@"`;
  const command = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', ...program, ...ports];
  router = spawn('unshare', command, { env: { PATH: process.env.PATH, HOME: folder }, stdio: 'inherit' });
});
afterAll(async () => {
  if (router.exitCode === null) {
    router.kill('SIGTERM');
    await once(router, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

it('nothing is accepted that cannot be kept, nothing that was accepted is lost, and it goes on when there is room', async () => {
  await expect.poll(state, patient).toMatchObject({ worker: 'runs', problems: [] });
  await expect.poll(deliver, patient).toBe(204);
  const accepted = deliveries;

  const filler = inside(join(folder, 'data/filler'));
  await expect(writeAll(filler)).rejects.toMatchObject({ code: 'ENOSPC' });
  // Temporal's own files have a little room left.
  await expect.poll(deliver, patient).toBe(503);
  // The log has no room either, and its processes live.
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);

  rmSync(filler);
  await expect.poll(deliver, patient).toBe(204);
  await expect.poll(state, patient).toMatchObject({ worker: 'runs' });
  const list = await run(['sessions', 'list', '--json']);
  expect(list).toContain(`sesn_disk${accepted}`);
  expect(list).toContain(`sesn_disk${deliveries}`);
});

async function writeAll(file: string): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) writeFileSync(file, chunk, { flag: 'a' });
}

/** A command of ours with the router's database. */
async function run(args: string[]): Promise<string> {
  const child = spawn(process.execPath, [projectPath('src/main.ts'), ...args], {
    env: { PATH: process.env.PATH, HOME: folder, TEMPORAL_ADDRESS: recordedAddress() },
    cwd: folder,
  });
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  await once(child, 'close');
  return stdout;
}

function recordedAddress(): string {
  return JSON.parse(readFileSync(inside(join(folder, 'data/server.json')), 'utf8')).address;
}
