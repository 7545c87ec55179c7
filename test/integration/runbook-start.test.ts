// Every reason for which the router does not start, and the command of its entry in docs/runbook.md. No service is needed.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, inject, it, vi } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { takeDataFolder } from '../../src/embedded-temporal/data-folder.ts';
import { openRunbook, type Runbook } from '../runbook.ts';

vi.setConfig({ testTimeout: 240_000 });

const dir = mkdtempSync(join(tmpdir(), 'runbook-start-'));
const servers: { close(): unknown }[] = [];
let runbook: Runbook;
let valid: Record<string, string>;

beforeAll(async () => {
  runbook = await openRunbook();
  valid = {
    HOME: dir,
    ANTHROPIC_ENVIRONMENT_ID: 'env_1',
    ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-key',
    ANTHROPIC_WEBHOOK_SIGNING_KEY: `whsec_${Buffer.alloc(32).toString('base64')}`,
    // Nothing listens there.
    ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
    E2B_API_KEY: 'e2b_0000000000000000000000000000000000000000',
    E2B_API_URL: 'http://127.0.0.1:9',
    E2B_SANDBOX_URL: 'http://127.0.0.1:9',
    ROUTER_DATA_FOLDER: join(dir, 'data'),
    WEBHOOK_PORT: '0',
  };
});
afterAll(async () => {
  for (const server of servers) server.close();
  await runbook?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** @returns its port */
async function listening(server: Server | ReturnType<typeof createHttp2Server>): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
const entry = (anchor: string, env: Record<string, string>) =>
  runbook.expectEntry(anchor, { ...valid, ...env });
const temporal = () => ({ TEMPORAL_ADDRESS: inject('temporalAddress') });

it('configuration', async () => {
  await entry('config', { ANTHROPIC_ENVIRONMENT_ID: '' });
  await entry('config-file', { ROUTER_CONFIG_FILE: join(dir, 'missing.yaml') });
  await entry('key-folder', { TEMPORAL_ENCRYPTION_KEY_FOLDER: join(dir, 'no-keys'), ...temporal() });
  const CODEC_SERVER_TOKEN_FILE = join(dir, 'token');
  writeFileSync(CODEC_SERVER_TOKEN_FILE, 'short');
  mkdirSync(join(dir, 'keys'));
  await entry('codec-token', { CODEC_SERVER_TOKEN_FILE, TEMPORAL_ENCRYPTION_KEY_FOLDER: join(dir, 'keys') });
});

it('Temporal', async () => {
  await entry('temporal-unreachable', { TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` });
  await entry('namespace', { ...temporal(), TEMPORAL_NAMESPACE: 'no-such-namespace' });
  const denying = createHttp2Server().on('stream', (stream) => {
    const status = { 'grpc-status': '7', 'grpc-message': 'denied' };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
  });
  await entry('temporal-denied', { TEMPORAL_ADDRESS: `127.0.0.1:${await listening(denying)}` });
});

it('ports and folders', async () => {
  const taken = String(await listening(createServer()));
  await entry('webhook-port', { ...temporal(), WEBHOOK_HOST: '127.0.0.1', WEBHOOK_PORT: taken });
  await entry('embedded-port', { ROUTER_EMBEDDED_TEMPORAL_PORT: taken });
  writeFileSync(join(dir, 'file'), '');
  await entry('data-folder', { ROUTER_DATA_FOLDER: join(dir, 'file') });
  const folder = await takeDataFolder(join(dir, 'locked'));
  await entry('second-start', { ROUTER_DATA_FOLDER: join(dir, 'locked') });
  await folder.release();
});

it('the program of the embedded server', async () => {
  await entry('embedded-program', { TEMPORAL_CLI: join(dir, 'file') });
  const TEMPORAL_CLI = join(dir, 'broken');
  writeFileSync(TEMPORAL_CLI, '#!/bin/sh\necho the database is broken\nexit 1\n', { mode: 0o755 });
  await entry('embedded-server', { TEMPORAL_CLI });
});
