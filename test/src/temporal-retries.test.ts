import { expect, it } from 'vitest';
import { firstPauseMs } from '../../src/clients/temporal-retries.ts';

const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

it.each(['workflow operation can not be applied because workflow is closing', 'Workflow is busy.'])(
  'repeats a call soon that met a workflow between two runs: %s',
  (details) => {
    expect(firstPauseMs({ code: RESOURCE_EXHAUSTED, details })).toBeLessThan(100);
  },
);

it('keeps the pauses of the SDK for all else', () => {
  expect(firstPauseMs({ code: RESOURCE_EXHAUSTED, details: 'namespace rate limit exceeded' })).toBe(1000);
  expect(firstPauseMs({ code: UNAVAILABLE, details: 'workflow is closing' })).toBe(100);
});
