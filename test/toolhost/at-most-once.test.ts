// Each call id runs at most once, whatever clients do and whenever the toolhost dies.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
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

test('starts a call, then attaches to it and reads it back', async () => {
  const first = await host.put(
    'call_1',
    'bash',
    { command: 'echo ran >> count; sleep 1; echo out' },
    20_000,
    0,
  );
  expect(first).toMatchObject({ id: 'call_1', name: 'bash', state: 'running' });
  expect(first.result).toBeUndefined();

  const attached = await host.put('call_1', 'bash', { command: 'echo something else' });
  expect(attached).toMatchObject({ state: 'finished', result: { isError: false } });
  expect(textOf(attached)).toBe('out');
  expect(Date.parse(attached.finishedAt ?? '')).toBeGreaterThan(Date.parse(attached.startedAt));

  const { status, body } = await host.request('GET', '/calls/call_1');
  expect(status).toBe(200);
  expect(body).toEqual(attached);
  expect(readFileSync(inWorkdir('count'), 'utf8')).toBe('ran\n');
});

test('20 clients that send the same call at once: one execution, one answer', async () => {
  const puts = Array.from({ length: 20 }, () =>
    host.put('same', 'bash', { command: 'sleep 0.3; echo ran >> count; wc -l < count' }),
  );
  const texts = (await Promise.all(puts)).map(textOf);
  expect(new Set(texts)).toEqual(new Set(['1']));
});

test('calls of one thread run one at a time, in order of arrival', async () => {
  const ids = ['a', 'b', 'c', 'd'];
  const calls = [];
  for (const id of ids) {
    calls.push(host.put(id, 'bash', { command: `echo +${id} >> order; sleep 0.1; echo -${id} >> order` }));
    await until(async () => (await host.request('GET', `/calls/${id}`)).status === 200);
  }
  await Promise.all(calls);
  expect(readFileSync(inWorkdir('order'), 'utf8').split('\n').join('')).toBe('+a-a+b-b+c-c+d-d');
});

const RUN_LONG = 'setsid sleep 30 & echo $! > pid; echo ran >> count; sleep 30; echo end >> count';

test('a call whose toolhost is killed is cut off, its processes end, and it never runs again', async () => {
  const { bootId } = await host.put('cut', 'bash', { command: RUN_LONG }, 60_000, 0);
  await until(() => existsSync(inWorkdir('count')));
  const waiting = host.put('queued', 'bash', { command: 'echo queued' }).catch(() => 'connection lost');
  await until(async () => (await host.request('GET', '/calls/queued')).status === 200);
  await host.end('SIGKILL');
  expect(await waiting).toBe('connection lost');
  await host.start();

  const call = await host.put('cut', 'bash', { command: RUN_LONG });
  expect(call).toMatchObject({ state: 'cut_off', bootId, result: { isError: true } });
  expect(textOf(call)).toContain('may have run partly');
  expect((await host.request('GET', '/health')).body.bootId).not.toBe(bootId);
  expect(readFileSync(inWorkdir('count'), 'utf8')).toBe('ran\n');
  expect(isAlive(readFileSync(inWorkdir('pid'), 'utf8').trim())).toBe(false);

  expect((await host.request('GET', '/calls/queued')).status).toBe(404);
  expect(await host.bash('queued', 'echo queued')).toBe('queued');
});

test('a finished result survives a kill and restarts unchanged', async () => {
  const before = await host.put('kept', 'bash', { command: 'echo ran >> count; echo "ü – ✓"' });
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await host.end(signal);
    await host.start();
    expect(await host.put('kept', 'bash', { command: 'echo ran >> count' })).toEqual(before);
  }
  expect(readFileSync(inWorkdir('count'), 'utf8')).toBe('ran\n');
});

test('journal lines torn by a crash are skipped, and no other line is lost', async () => {
  await host.bash('whole', 'echo whole');
  await host.end('SIGKILL');
  appendFileSync(join(host.state, 'calls.jsonl'), '{"id":"torn","name":"bash","state":"runn');
  await host.start();
  expect(await host.bash('whole', 'echo again')).toBe('whole');
  const ran = await host.bash('torn', 'echo ran now');
  expect(ran).toMatch(/ran now$/);
  await host.end('SIGKILL');
  await host.start();
  expect(await host.bash('torn', 'echo a second time')).toBe(ran);
});

test('SIGTERM ends the toolhost and its shell; the running call counts as cut off', async () => {
  await host.put('running', 'bash', { command: 'echo $$ > pid; sleep 60' }, 60_000, 0);
  await until(() => existsSync(inWorkdir('pid')) && readFileSync(inWorkdir('pid'), 'utf8') !== '');
  expect(await host.end('SIGTERM')).toBe(0);
  await until(() => !isAlive(readFileSync(inWorkdir('pid'), 'utf8').trim()));
  await host.start();
  expect(await host.put('running', 'bash', { command: 'true' })).toMatchObject({ state: 'cut_off' });
});
