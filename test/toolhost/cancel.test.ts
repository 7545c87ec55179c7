// Calls that end early: cancelled by a client, or at their time limit.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive, RunningToolhost, textOf, until } from './running-toolhost.ts';

let host: RunningToolhost;

beforeEach(async () => {
  host = new RunningToolhost();
  await host.start();
});
afterEach(() => host.remove());

const inWorkdir = (name: string) => join(host.workdir, name);

/** Starts a long call; returns the pid of a process that it waits for. */
async function startLong(id: string): Promise<string> {
  await host.put(id, 'bash', { command: 'cd /; sleep 60 & echo $! > "$OLDPWD/pid"; wait' }, 90_000, 0);
  await until(() => existsSync(inWorkdir('pid')) && readFileSync(inWorkdir('pid'), 'utf8').endsWith('\n'));
  return readFileSync(inWorkdir('pid'), 'utf8').trim();
}

test('a cancelled call has ended before the answer is sent, and waiting clients get its result', async () => {
  const pid = await startLong('long');
  const waiting = host.put('long', 'bash', {});
  const cancelled = await host.cancel('long');
  expect(cancelled).toMatchObject({
    id: 'long',
    name: 'bash',
    state: 'cancelled',
    result: { isError: true },
  });
  expect(await waiting).toEqual(cancelled);
  await until(() => !isAlive(pid));

  expect(await host.bash('next', 'pwd')).toBe(host.workdir);
  expect(await host.cancel('long')).toEqual(cancelled);
  expect(await host.put('long', 'bash', { command: 'echo ran > late' })).toEqual(cancelled);
  expect(existsSync(inWorkdir('late'))).toBe(false);
});

test('cancelling a call kills also what it started with setsid, and nothing that ran before', async () => {
  const start = (name: string) => `setsid sleep 77 & echo $! > ${name}`;
  await host.bash('server', start('server'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await host.put('long', 'bash', { command: `${start('escaped')}; sleep 77` }, 90_000, 0);
  await until(() => existsSync(inWorkdir('escaped')) && readFileSync(inWorkdir('escaped'), 'utf8') !== '');
  const pidOf = (name: string) => readFileSync(inWorkdir(name), 'utf8').trim();
  await host.cancel('long');
  await until(() => !isAlive(pidOf('escaped')));
  expect(isAlive(pidOf('server'))).toBe(true);
  process.kill(Number(pidOf('server')), 'SIGKILL');
});

test('an id that is cancelled before its call arrives never runs, not even after a restart', async () => {
  expect(await host.cancel('early')).toMatchObject({ id: 'early', name: '', state: 'cancelled' });
  await host.end('SIGKILL');
  await host.start();
  const call = await host.put('early', 'bash', { command: 'echo ran > early' });
  expect(call).toMatchObject({ state: 'cancelled', result: { isError: true } });
  expect(textOf(call)).toContain('before it ran');
  expect(existsSync(inWorkdir('early'))).toBe(false);
});

test('a call that is cancelled while it waits ends at once and never runs; the other calls run', async () => {
  await startLong('first');
  const second = host.put('second', 'bash', { command: 'echo ran > "$OLDPWD/second"' });
  await until(async () => (await host.request('GET', '/calls/second')).status === 200);
  const third = host.put('third', 'bash', { command: 'echo third' });
  const cancelled = await host.cancel('second');
  expect(cancelled.state).toBe('cancelled');
  expect(textOf(cancelled)).toContain('before it ran');
  expect(await second).toEqual(cancelled);
  expect((await host.request('GET', '/calls/first')).body.state).toBe('running');
  await host.cancel('first');
  expect(await third).toMatchObject({ state: 'finished', result: { isError: false } });
  expect(existsSync(inWorkdir('second'))).toBe(false);
});

test('cancelling a finished call changes nothing', async () => {
  const finished = await host.put('done', 'bash', { command: 'echo out' });
  expect(await host.cancel('done')).toEqual(finished);
  expect(await host.put('done', 'bash', {})).toEqual(finished);
});

test('at its time limit a call is killed and the next call gets a new shell', async () => {
  await host.bash('variable', 'export KEPT=yes; LOST=yes');
  const call = await host.put('late', 'bash', { command: 'sleep 60 & echo $! > pid; wait' }, 500);
  expect(call).toMatchObject({ state: 'finished', result: { isError: true } });
  expect(textOf(call)).toMatch(/^bash: timed out after 500 ms/);
  await until(() => !isAlive(readFileSync(inWorkdir('pid'), 'utf8').trim()));
  expect(await host.bash('after', 'echo "[$KEPT][$LOST]"')).toBe('[yes][]');
});

test('a shorter time limit in the input applies', async () => {
  const call = await host.put('short', 'bash', { command: 'sleep 60', timeout_ms: 300 }, 60_000);
  expect(textOf(call)).toContain('timed out after 300 ms');
});

test('a search with an endless pattern ends at its time limit at the latest', async () => {
  await host.put('line', 'write', { file_path: 'line', content: `${'a'.repeat(60)}!\n` });
  expect(await host.put('search', 'grep', { pattern: '^(a+)+$' }, 500)).toMatchObject({ state: 'finished' });
  expect(await host.bash('next', 'echo goes on')).toBe('goes on');
});

test('a long poll ends when its time is over or its client disconnects; the call continues', async () => {
  await startLong('poll');
  expect(await host.put('poll', 'bash', {}, 1_000, 200)).toMatchObject({ state: 'running' });
  expect((await host.request('GET', '/calls/poll?wait_ms=100')).body).toMatchObject({ state: 'running' });
  const gone = AbortSignal.timeout(200);
  await expect(host.request('GET', '/calls/poll?wait_ms=60000', undefined, gone)).rejects.toThrow();
  expect((await host.request('GET', '/calls/poll')).body).toMatchObject({ state: 'running' });
  expect((await host.cancel('poll')).state).toBe('cancelled');
});
