import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StandIn, standIn } from './e2b-stand-in.ts';

let e2b: StandIn;
beforeAll(async () => {
  e2b = await standIn();
});
afterAll(() => e2b.end());

test('create, run a command, write and read a file, kill', async () => {
  const t0 = performance.now();
  const sandbox = await e2b.Sandbox.create('base', { envs: { GREETING: 'hello' } });
  console.log('create', performance.now() - t0);
  const result = await sandbox.commands.run('echo $GREETING from $(whoami) in $PWD; echo oops >&2; node --version', { envs: { A: '1' } });
  console.log(result);
  expect(result.stdout).toContain('hello from user in /home/user');
  await sandbox.files.write('notes/a.txt', 'content');
  expect(await sandbox.files.read('/home/user/notes/a.txt')).toBe('content');
  console.log((await sandbox.commands.run('id; ls -la / /home/user/notes /usr/local/bin; cat /proc/mounts; ps aux; env', { user: 'root' })).stdout);
  expect(await sandbox.kill()).toBe(true);
  expect(await sandbox.kill()).toBe(false);
});
