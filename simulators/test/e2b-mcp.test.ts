// The MCP gateway of a sandbox is a program of its template that the SDK starts; the service is not involved.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandboxError } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

const GATEWAY = `#!/bin/sh
mkdir -p /etc/mcp-gateway
printf %s "$GATEWAY_ACCESS_TOKEN" > /etc/mcp-gateway/.token
printf %s "$2" > /etc/mcp-gateway/config.json
`;

let e2b: E2BSimulator;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-mcp-'));
  const programs = join(folder, 'tree/usr/local/bin');
  await mkdir(programs, { recursive: true });
  await writeFile(join(programs, 'mcp-gateway'), GATEWAY, { mode: 0o755 });
  const manifest = join(folder, 'template.json');
  await writeFile(manifest, JSON.stringify({ name: 'mcp-gateway', dir: 'tree' }));
  e2b = await startE2BSimulator({ templates: [manifest] });
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});

test("starts from the template of that name, with the client's configuration", async () => {
  const mcp = { duckduckgo: {} };
  const sandbox = await e2b.Sandbox.create({ mcp });
  expect(await e2b.Sandbox.getInfo(sandbox.sandboxId)).toMatchObject({ name: 'mcp-gateway' });
  expect(JSON.parse(await sandbox.files.read('/etc/mcp-gateway/config.json'))).toEqual(mcp);
  const again = await e2b.Sandbox.connect(sandbox.sandboxId);
  expect(await again.getMcpToken()).toBe(await sandbox.getMcpToken());
  await sandbox.kill();
});

test('without it the SDK says so, and the sandbox is gone', async () => {
  const asked = e2b.Sandbox.create('base', { mcp: { duckduckgo: {} } });
  const error = await asked.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SandboxError);
  expect((error as Error).message).toContain('Failed to start MCP gateway');
  expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
});
