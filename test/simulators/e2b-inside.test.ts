// What programs find inside a local sandbox that tells them they are on E2B.
import { readdirSync } from 'node:fs';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StandIn, standIn } from './e2b-stand-in.ts';

let e2b: StandIn;
let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await standIn();
  sandbox = await e2b.Sandbox.create('base', { timeoutMs: 3_600_000 });
});
afterAll(() => e2b?.end());

const run = async (command: string, user = 'user', where = sandbox) =>
  (await where.commands.run(command, { user })).stdout.trim();

test('its own id and that of its template, over pauses and boots, and in what is made from it', async () => {
  const { templateId } = await sandbox.getInfo();
  const look =
    'cd /run/e2b; for name in E2B_SANDBOX E2B_SANDBOX_ID E2B_TEMPLATE_ID; do ' +
    'echo "$(printenv $name) $(cat .$name)"; done; echo "$E2B_EVENTS_ADDRESS $(getent hosts events.e2b.local)"';
  const told = (id: string) =>
    ['true', id, templateId].map((word) => `${word} ${word}\n`).join('') +
    'http://192.0.2.1 192.0.2.1       events.e2b.local';
  expect(await run(look)).toBe(told(sandbox.sandboxId));
  for (const keepMemory of [true, false]) {
    await sandbox.pause({ keepMemory });
    await sandbox.connect();
    expect(await run(look, 'root')).toBe(told(sandbox.sandboxId));
  }
  const { snapshotId } = await sandbox.createSnapshot();
  const [fork] = (await sandbox.fork()) as [Sandbox];
  for (const made of [fork, await e2b.Sandbox.create(snapshotId)]) {
    expect(await run(look, 'user', made)).toBe(told(made.sandboxId));
    await made.kill();
  }
});

test('homes with the files of a new account, that belong to it and may be changed', async () => {
  const skeleton = readdirSync('/etc/skel').sort();
  expect(skeleton).toContain('.bashrc');
  for (const [user, home] of [
    ['user', '/home/user'],
    ['root', '/root'],
  ] as const) {
    expect((await run(`ls -A ${home}`, user)).split('\n').sort()).toEqual(expect.arrayContaining(skeleton));
    expect(await run('stat -c %U ~/.bashrc && echo "export MARK=1" >> ~/.profile', user)).toBe(user);
    expect(await run('echo "$MARK"', user)).toBe('1');
  }
});
