// When `start` runs a Temporal server of its own, and where the other processes find it.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../../harness/free-port.ts';
import { writeRecord } from '../../../src/config/running-server.ts';
import { loadEmbeddedTemporalConfig, loadTemporalConfig } from '../../../src/config.ts';
import { freePortFrom } from '../../../src/embedded-temporal/ports.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'embedded-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('runs one where no address is set, on the usual ports', () => {
  expect(loadEmbeddedTemporalConfig({ HOME: dir, PATH: '/bin' })).toEqual({
    dataFolder: '.managed-agents-router',
    namespace: 'default',
    port: { port: 7233, variable: 'ROUTER_EMBEDDED_TEMPORAL_PORT', given: false },
    uiPort: { port: 8233, variable: 'ROUTER_EMBEDDED_TEMPORAL_UI_PORT', given: false },
    path: '/bin',
  });
  const set = { HOME: dir, ROUTER_EMBEDDED_TEMPORAL_PORT: '7300', TEMPORAL_NAMESPACE: 'agents' };
  expect(loadEmbeddedTemporalConfig(set)).toMatchObject({
    namespace: 'agents',
    port: { port: 7300, given: true },
  });
});

it.each([
  ['a variable', () => ({ TEMPORAL_ADDRESS: '127.0.0.1:7233' })],
  [
    'the file',
    () => ({ ROUTER_CONFIG_FILE: write('router.yaml', 'temporal: { address: "127.0.0.1:7233" }\n') }),
  ],
  [
    "Temporal's profile",
    () => ({ TEMPORAL_CONFIG_FILE: write('t.toml', '[profile.default]\naddress = "temporal:7233"\n') }),
  ],
])('runs none where %s sets an address', (_what, env) => {
  expect(loadEmbeddedTemporalConfig({ HOME: dir, ...env() })).toBeUndefined();
});

it('refuses a key for a server without the address of the server', () => {
  expect(() => loadEmbeddedTemporalConfig({ HOME: dir, TEMPORAL_API_KEY: 'abcdefgh' })).toThrow(
    /TEMPORAL_ADDRESS is not set/,
  );
});

it('other processes use the server of the data folder while it runs, otherwise the default', () => {
  const env = { HOME: dir, ROUTER_DATA_FOLDER: dir };
  const address = () => loadTemporalConfig(env).temporal.connectionOptions.address;
  expect(address()).toBe('127.0.0.1:7233');
  const record = { address: '127.0.0.1:7240', uiUrl: 'http://127.0.0.1:8240', namespace: 'default' };
  writeRecord(dir, { ...record, pid: process.pid });
  expect(address()).toBe('127.0.0.1:7240');
});

it('takes the next free port', async () => {
  const port = await freePort();
  const taken: Server = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  expect(await freePortFrom(port)).toBeGreaterThan(port);
  taken.close();
  await once(taken, 'close');
  expect(await freePortFrom(port)).toBe(port);
  expect(await freePortFrom(port, [port])).toBeGreaterThan(port);
});

function write(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}
