// How programs inside a local sandbox recognise E2B.
import { readdirSync } from 'node:fs';
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await startE2BSimulator();
  sandbox = await e2b.Sandbox.create('base', { timeoutMs: 3_600_000 });
});
afterAll(() => e2b?.end());

const run = async (command: string, user = 'user', where = sandbox) =>
  (await where.commands.run(command, { user })).stdout.trim();

test('its own id and that of its template, over pauses and boots, and in its snapshots', async () => {
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

test('home folders with the writable files of a new account', async () => {
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

const asRoot = process.geteuid?.() === 0;

test.skipIf(!asRoot)(
  'sudo, without a password, with the environment and the options that programs use',
  async () => {
    await run('useradd --create-home --shell /bin/bash other', 'root');
    const seen: [command: string, output: string][] = [
      ['sudo id -un', 'root'],
      ['sudo -u other -- sh -c \'id -un; echo "$HOME $USER $SUDO_USER"\'', 'other\n/home/other other user'],
      ['sudo -n -H --user=other pwd', '/home/user'],
      ['KEY=1 sudo printenv KEY || echo none', 'none'],
      ['KEY=1 sudo -E sh -c \'echo "$KEY $HOME"\'', '1 /home/user'],
      ['KEY=1 OTHER=2 sudo --preserve-env=KEY,X sh -c \'echo "$KEY$OTHER"\'', '1'],
      ['sudo KEY=2 printenv KEY', '2'],
      ['sudo -i pwd', '/root'],
      ["sudo -iu other echo 'two  words'", 'two  words'],
      ['echo piped | sudo tee /opt/by-root && stat -c %U /opt/by-root', 'piped\nroot'],
      ['sudo sudo -u user id -un', 'user'],
      ['sudo -u "#1000" id -Gn', 'user'],
      ['sudo -v && sudo -k', ''],
      ['sudo sh -c "exit 7" || echo $?', '7'],
      ['sudo nothing 2>&1 || echo $?', 'sudo: nothing: command not found\n1'],
      ['sudo -u nobodys id 2>&1 || echo $?', 'sudo: unknown user nobodys\n1'],
    ];
    for (const [command, output] of seen)
      expect([command, await run(command).catch(String)]).toEqual([command, output]);
    // Root inside has no rights outside the sandbox.
    expect(await run('sudo cat /proc/self/uid_map')).not.toMatch(/^\s*0\s+0\s/);
  },
);
