// Access of a local sandbox to the selected ports of the host, with its network on and off.

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let host: Server;
const joined = new Set<Socket>();

beforeAll(async () => {
  host = createServer((socket) => {
    joined.add(socket.once('close', () => joined.delete(socket)).on('error', () => socket.destroy()));
    socket.write('host\n');
  });
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
  e2b = await startE2BSimulator({ hostPorts: [port()] });
});
afterAll(async () => {
  await e2b?.end();
  for (const socket of joined) socket.destroy();
  host.close();
});

const port = () => (host.address() as AddressInfo).port;
const OFF = { allowInternetAccess: false };

/** The result of a new connection to the host's port. */
async function reach(sandbox: Sandbox): Promise<string> {
  const command = `{ exec 3<>/dev/tcp/127.0.0.1/${port()} && timeout 5 head -n1 <&3; } 2>&1 || true`;
  const { stdout } = await sandbox.commands.run(command);
  return /host|refused/.exec(stdout)?.[0] ?? stdout;
}

test('off for a running sandbox: no new connections, and open ones are closed', async () => {
  const sandbox = await e2b.Sandbox.create();
  expect(await reach(sandbox)).toBe('host');
  await expect.poll(() => joined.size).toBe(0);
  const held = sandbox.commands.run(`exec 3<>/dev/tcp/127.0.0.1/${port()}; cat <&3; echo over`);
  await expect.poll(() => joined.size).toBe(1);
  await sandbox.updateNetwork(OFF);
  expect((await held).stdout).toBe('host\nover\n');
  expect(await reach(sandbox)).toBe('refused');
  // The sandbox cannot reach the port through the agent's sockets either.
  const direct = 'ls /run/e2b | grep -c host- || true';
  expect((await sandbox.commands.run(direct, { user: 'root' })).stdout).toBe('0\n');
  expect((await sandbox.getInfo()).allowInternetAccess).toBe(false);
  await sandbox.updateNetwork({});
  expect(await reach(sandbox)).toBe('host');
  expect((await sandbox.getInfo()).allowInternetAccess).toBeUndefined();
  await sandbox.kill();
});

test.each([true, false])('off stays off over a pause, with memory: %s', async (keepMemory) => {
  const sandbox = await e2b.Sandbox.create();
  await sandbox.updateNetwork({ denyOut: ['0.0.0.0/0'] });
  await sandbox.pause({ keepMemory });
  await sandbox.connect();
  expect(await reach(sandbox)).toBe('refused');
  expect((await sandbox.getInfo()).network).toMatchObject({ denyOut: ['0.0.0.0/0'] });
  await sandbox.updateNetwork({ allowInternetAccess: true });
  await sandbox.pause({ keepMemory });
  await sandbox.connect();
  expect(await reach(sandbox)).toBe('host');
  await sandbox.kill();
});

test('off from the start', async () => {
  const sandbox = await e2b.Sandbox.create('base', OFF);
  expect(await reach(sandbox)).toBe('refused');
  await sandbox.kill();
});

test('ingress settings are kept', async () => {
  const network = { allowPublicTraffic: false, maskRequestHost: 'masked' };
  const sandbox = await e2b.Sandbox.create('base', { network });
  await sandbox.updateNetwork({ denyOut: ['10.0.0.0/8'] });
  expect((await sandbox.getInfo()).network).toMatchObject({ ...network, denyOut: ['10.0.0.0/8'] });
  await sandbox.kill();
});

test('refused: while it is paused, when it is gone, and what is not offered', async () => {
  const sandbox = await e2b.Sandbox.create();
  await expect(
    sandbox.updateNetwork({ denyOut: ['0.0.0.0/0'], allowOut: ['1.1.1.1'] }),
  ).rejects.toMatchObject({
    statusCode: 501,
  });
  await expect(sandbox.updateNetwork({ denyOut: 7 as never })).rejects.toMatchObject({ statusCode: 400 });
  expect(await reach(sandbox)).toBe('host');
  await sandbox.pause();
  await expect(sandbox.updateNetwork(OFF)).rejects.toMatchObject({ statusCode: 409 });
  await sandbox.kill();
  await expect(sandbox.updateNetwork(OFF)).rejects.toThrow('not found');
});

test('only addresses and CIDR blocks can be denied, not names', async () => {
  for (const denied of ['example.com', '10.0.0.0/33', '10.0.0.0/8/8', '0.0.0.0', '::/0', '']) {
    const network = { denyOut: ['8.8.8.8', denied] };
    await expect(e2b.Sandbox.create('base', { network })).rejects.toThrow(
      `400: invalid denied CIDR ${denied}`,
    );
  }
  const network = { denyOut: ['8.8.8.8', '10.0.0.0/8', 'fd00::1', 'fd00::/8', '0.0.0.0/0'] };
  const sandbox = await e2b.Sandbox.create('base', { network });
  await expect(sandbox.updateNetwork({ denyOut: ['example.com'] })).rejects.toMatchObject({
    statusCode: 400,
  });
  expect((await sandbox.getInfo()).network).toMatchObject(network);
  await sandbox.kill();
});

test('a sandbox reaches the service that has made it, unless its network is off', async () => {
  const sandbox = await e2b.Sandbox.create();
  const { port } = new URL(e2b.url);
  const ask = `curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:${port}/v2/sandboxes || true`;
  // Without a key.
  expect((await sandbox.commands.run(ask)).stdout).toBe('401');
  await sandbox.updateNetwork(OFF);
  expect((await sandbox.commands.run(ask)).stdout).toBe('000');
  await sandbox.kill();
});
