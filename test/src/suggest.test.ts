import { expect, it } from 'vitest';
import { nearest } from '../../src/config/suggest.ts';

it('suggests the nearest name, but no distant one', () => {
  const names = ['session.graceSeconds', 'session.retentionHours', 'worker.shutdownGraceSeconds'];
  expect(nearest('GRACE_SECOND', names)).toBe('session.graceSeconds');
  expect(nearest('abcdefghi', ['abcdefgxy', 'x.abcdefghx'])).toBe('x.abcdefghx');
  for (const far of ['colour', 'hours', '', 'x'.repeat(100_000)]) expect(nearest(far, names)).toBeUndefined();
});
