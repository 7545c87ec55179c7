import { expect, it } from 'vitest';
import { Patience, PatienceOver } from '../../../activities/tool-calls/patience.ts';
import { SandboxHttpError } from '../../../src/clients/sandbox-http.ts';

const unusable = new SandboxHttpError(0, 'the toolhost answers with nonsense', { unusable: true });
const away = new SandboxHttpError(0, 'the toolhost does not answer');

/** How many failures of a kind are borne, where each attempt begins with what the one before left. */
function borne(error: SandboxHttpError, timeoutMs: number): number {
  let details: unknown;
  for (let failures = 1; failures < 1_000; failures += 1) {
    const patience = new Patience(timeoutMs, details);
    try {
      patience.failed(error);
    } catch (over) {
      expect(over).toBeInstanceOf(PatienceOver);
      return failures;
    }
    details = JSON.parse(JSON.stringify(patience.details));
  }
  return Number.POSITIVE_INFINITY;
}

it('ends after a few answers that no toolhost gives, whatever the limit of the call', () => {
  expect(borne(unusable, 600_000)).toBe(8);
});

it('ends after failures for as long as the call has, and a margin', () => {
  expect(borne(away, 120_000)).toBe(36);
  expect(borne(away, 1)).toBeLessThan(borne(away, 600_000));
});

it('counts the time spent on the sandbox, over all attempts', async () => {
  const first = new Patience(1, { waitedMs: 59_990, unusable: 0 });
  first.check();
  await first.during(() => new Promise((resolve) => setTimeout(resolve, 30)));
  expect(() => first.check()).toThrow(PatienceOver);
  expect(() => new Patience(1, first.details).check()).toThrow(PatienceOver);
});

it.each([null, undefined, 'x', { waitedMs: 'x' }, { failedUndelivered: 3 }])(
  'begins anew after %j',
  (details) => {
    expect(new Patience(1, details).details).toEqual({ waitedMs: 0, unusable: 0 });
  },
);
