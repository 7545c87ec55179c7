import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BoundedLog } from '../../../src/inside-e2b/bounded-log.ts';

it('keeps the last full file and the current one, also over a restart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bounded-log-'));
  const file = join(folder, 'worker.log');
  const log = new BoundedLog(file, 10);
  for (const line of ['one 45678\n', 'two 45678\n', 'three\n']) log.write(line);
  expect(readFileSync(`${file}.1`, 'utf8')).toBe('two 45678\n');
  new BoundedLog(file, 6).write('four\n');
  expect([readFileSync(`${file}.1`, 'utf8'), readFileSync(file, 'utf8')]).toEqual(['three\n', 'four\n']);
  rmSync(folder, { recursive: true });
});

it('a full disk loses lines, and nothing else happens', () => {
  expect(() => new BoundedLog('/dev/full').write('lost\n')).not.toThrow();
});
