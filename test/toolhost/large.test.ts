// Large output, binary output, files of a gigabyte, background processes, and calls that take too long.
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlive, RunningToolhost, textOf, until } from './running-toolhost.ts';

const host = new RunningToolhost();
let calls = 0;

beforeAll(() => host.start());
afterAll(() => host.remove());

const run = (name: string, input: unknown) => host.put(`call_${calls++}`, name, input);
const bash = async (command: string, more: object = {}) => textOf(await run('bash', { command, ...more }));
const peakMemory = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]) / 1024;

test('of 100 MB of output only the end is kept, and memory stays limited', async () => {
  const before = peakMemory();
  const text = await bash('head -c 100M /dev/zero | tr "\\0" x | fold -w 99; echo the-end');
  expect(text.slice(0, 60)).toMatch(/^\[cut: only the last part of \d{9} bytes is shown\]\n/);
  expect(text.slice(-30)).toMatch(/x+the-end$/);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(100 * 1024);
  expect(peakMemory() - before).toBeLessThan(100);
});

test('binary output becomes well-formed text, and the shell still works', async () => {
  const text = await bash('head -c 300K /dev/urandom; printf "\\0\\377\\n"; echo the-end');
  expect(text.slice(-30)).toMatch(/the-end$/);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(100 * 1024);
  expect(text).not.toMatch(/\p{Surrogate}/u);
  expect(JSON.parse(JSON.stringify(text))).toBe(text);
  expect(await bash('echo after')).toBe('after');
});

test('a file of a gigabyte can be used by commands, but read and edit refuse it', async () => {
  const file = join(host.workdir, 'large');
  // The tool "read" takes a file for text by its first 8 KiB.
  writeFileSync(file, 'first line\n'.padEnd(8_192, 'x'));
  truncateSync(file, 2 ** 30);
  const before = peakMemory();
  expect(await bash('stat -c %s large; tail -c 3 large | od -An -tx1')).toBe(`${2 ** 30}\n 00 00 00`);
  expect(textOf(await run('read', { file_path: 'large' }))).toMatch(/view_range|too large|exceeds/i);
  expect(
    (await run('edit', { file_path: 'large', old_string: 'first', new_string: 'x' })).result?.isError,
  ).toBe(true);
  expect((await run('glob', { pattern: 'lar*' })).result?.isError).toBe(false);
  expect(statSync(file).size).toBe(2 ** 30);
  expect(peakMemory() - before).toBeLessThan(100);
  rmSync(file);
});

test('a background process outlives its call, and the next call has the same shell and variables', async () => {
  expect(
    await bash(
      `cd /tmp; KEPT=yes; (while :; do sleep 0.05; echo tick; done) > ${host.workdir}/ticks & echo $!`,
    ),
  ).toMatch(/^\d+$/);
  const ticks = () => statSync(join(host.workdir, 'ticks'), { throwIfNoEntry: false })?.size ?? 0;
  const before = ticks();
  await until(() => ticks() > before + 20);
  expect(await bash('pwd; echo $KEPT; kill $!')).toBe('/tmp\nyes');
});

test('a time-out ends the command and what it started on time, and the next call has a new shell', async () => {
  await bash(`cd ${host.workdir}`);
  const text = await bash(`cd /; sleep 300 & echo $! > ${host.workdir}/pid; wait`, { timeout_ms: 700 });
  expect(text).toMatch(/timed out/);
  const pid = readFileSync(join(host.workdir, 'pid'), 'utf8').trim();
  await until(() => !isAlive(pid));
  expect(await bash('pwd')).toBe(host.workdir);
});

test('a command that closes its output still ends its call, and the shell still works', async () => {
  expect(await bash('echo first; exec >&- 2>&-; sleep 0.1')).toBe('first');
  expect(await bash('echo after')).toBe('after');
});

test('arguments of five megabytes reach the tool', async () => {
  const content = 'y'.repeat(5 * 1024 * 1024);
  expect(textOf(await run('write', { file_path: 'args', content }))).toContain('wrote 5242880 bytes');
  expect(await bash(`: '${content}'; echo ran`)).toBe('ran');
});
