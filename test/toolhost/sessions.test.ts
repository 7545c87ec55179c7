// Several sessions in one sandbox: they share files, but have their own shells, queues, kept results and processes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Toolhost } from '../../src/clients/toolhost.ts';
import type { Call } from '../../toolhost/call.ts';
import { isAlive, RunningToolhost, textOf, until } from './running-toolhost.ts';

let host: RunningToolhost;
beforeEach(async () => {
  host = new RunningToolhost();
  await host.start();
});
afterEach(() => host.remove());

async function bash(
  session: string,
  id: string,
  command: string,
  waitMs = 20_000,
  thread?: string,
): Promise<Call> {
  const body = JSON.stringify({ name: 'bash', input: { command }, timeoutMs: 60_000, session, thread });
  return (await host.request('PUT', `/calls/${id}?wait_ms=${waitMs}`, body)).body;
}

/** The pid that a command has written into a file of the working directory. */
async function pidIn(name: string): Promise<string> {
  const file = join(host.workdir, name);
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
  return readFileSync(file, 'utf8').trim();
}

test('each session has its own shell, and all see the same files', async () => {
  await bash('one', 'c1', 'mkdir deep; cd deep; export MINE=1; echo from one > shared');
  expect(textOf(await bash('two', 'c2', 'pwd; echo "[$MINE]"; cat deep/shared'))).toBe(
    `${host.workdir}\n[]\nfrom one`,
  );
  expect(textOf(await bash('one', 'c3', 'pwd; echo "[$MINE]"'))).toBe(`${host.workdir}/deep\n[1]`);
});

test('each thread of a session has its own shell and does not wait for calls of other threads', async () => {
  await bash('one', 'c1', 'mkdir -p deep; cd deep; export MINE=1', 20_000, 'a');
  await bash('one', 'long', 'sleep 60', 0, 'a');
  for (const [id, thread] of [
    ['c2', 'b'],
    ['c3', undefined],
  ] as const)
    expect(textOf(await bash('one', id, 'pwd; echo "[$MINE]"', 20_000, thread))).toBe(`${host.workdir}\n[]`);
  await host.cancel('long');
  expect(textOf(await bash('one', 'c4', 'pwd; echo "[$MINE]"', 20_000, 'a'))).toBe(
    `${host.workdir}/deep\n[1]`,
  );
  await bash('one', 'd', 'setsid sleep 77 & echo $! > ../of-a', 20_000, 'a');
  const pid = await pidIn('of-a');
  await new Toolhost({ origin: host.url, headers: {} }).endSession('one');
  await until(() => !isAlive(pid));
  expect(textOf(await bash('one', 'e', 'echo "[$MINE]"', 20_000, 'a'))).toBe('[]');
});

test('a session does not wait for calls of other sessions', async () => {
  await bash('one', 'long', 'sleep 60', 0);
  expect(textOf(await bash('two', 'short', 'echo done'))).toBe('done');
  expect((await host.request('GET', '/calls/long')).body.state).toBe('running');
  await host.cancel('long');
});

test('cancelling a call kills processes of its own session only', async () => {
  const run = (name: string) => `setsid sleep 77 & echo $! > ${name}; sleep 77`;
  await bash('one', 'a', run('one'), 0);
  await bash('two', 'b', run('two'), 0);
  const [one, two] = [await pidIn('one'), await pidIn('two')];
  await host.cancel('a');
  await until(() => !isAlive(one));
  expect(isAlive(two)).toBe(true);
  expect((await host.request('GET', '/calls/b')).body.state).toBe('running');
  await host.cancel('b');
  await until(() => !isAlive(two));
});

test('the end of a session kills its processes only, those of an earlier boot included', async () => {
  const start = (name: string) => `setsid sleep 77 & echo $! > ${name}`;
  await bash('one', 'a', start('one'));
  await bash('two', 'b', start('two'));
  const [one, two] = [await pidIn('one'), await pidIn('two')];
  await host.end('SIGKILL');
  await host.start();
  await bash('one', 'c', `sleep 77 & echo $! > late; wait`, 0);
  const late = await pidIn('late');
  await new Toolhost({ origin: host.url, headers: {} }).endSession('one');
  await until(() => !isAlive(one) && !isAlive(late));
  expect(isAlive(two)).toBe(true);
  expect((await host.request('GET', '/calls/c')).body.state).toBe('cancelled');
  expect(textOf(await bash('one', 'd', 'echo again'))).toBe('again');
  await new Toolhost({ origin: host.url, headers: {} }).endSession('two');
  await until(() => !isAlive(two));
});

test("after a restart, a cut-off call's processes are killed and those of other sessions are not", async () => {
  await bash('two', 'b', 'setsid sleep 77 & echo $! > two');
  await bash('one', 'a', 'setsid sleep 77 & echo $! > one; sleep 77', 0);
  const [one, two] = [await pidIn('one'), await pidIn('two')];
  await host.end('SIGKILL');
  await host.start();
  await until(() => !isAlive(one));
  expect(isAlive(two)).toBe(true);
  expect((await host.request('GET', '/calls/a')).body.state).toBe('cut_off');
  process.kill(Number(two), 'SIGKILL');
});

test('the end of a shell fails only the command of its own session', async () => {
  await bash('two', 'b', 'sleep 3; echo went on', 0);
  await bash('one', 'a', 'exec 0<&-; exec sleep 0');
  await bash('one', 'c', 'echo x');
  expect(textOf((await host.request('GET', '/calls/b?wait_ms=10000')).body)).toBe('went on');
});

test('a session or thread that is not an id is refused', async () => {
  const body = JSON.stringify({ name: 'bash', input: {}, session: '../x' });
  expect(await host.request('PUT', '/calls/a', body)).toMatchObject({
    status: 400,
    body: { message: 'session must be the id of a session' },
  });
});
