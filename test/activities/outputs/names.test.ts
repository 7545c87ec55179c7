import { expect, it } from 'vitest';
import { usableNames } from '../../../activities/outputs/names.ts';

const sorted = (...paths: string[]) => usableNames(paths.map((path) => ({ path })));

it('takes names in order, each once', () => {
  expect(sorted('b', 'a/c', 'a/b', 'b')).toEqual({ names: ['a/b', 'a/c', 'b'], unfit: [], excess: 0 });
});

it.each([
  '../up',
  'a/../b',
  '/absolute',
  'a//b',
  'a/.',
  'a\\b',
  'line\nbreak',
  'nul\0',
  'bell\u0007',
  'invoice\u202efdp.exe',
  'half\ud83d',
  'x'.repeat(256),
  `${'long/'.repeat(200)}name`,
])('leaves %j behind, and only that', (path) => {
  const { names, unfit } = sorted('fine', path, 'z');
  expect(names).toEqual(['fine', 'z']);
  expect(unfit).toMatchObject([{ name: path }]);
});

it('leaves behind what would lie below a file', () => {
  const { names, unfit } = sorted('d', 'd/e', 'd/f/g', 'da');
  expect(names).toEqual(['d', 'da']);
  expect(unfit.map(({ name }) => name)).toEqual(['d/e', 'd/f/g']);
});

it('holds names of two MiB in all', () => {
  const { names, excess } = sorted(
    ...Array.from({ length: 5_000 }, (_, at) => `${at}/${'x'.repeat(200)}/${'y'.repeat(240)}`),
  );
  expect(names.length + excess).toBe(5_000);
  expect(names.join('').length).toBeLessThanOrEqual(2 * 1024 * 1024);
});
