import { expect, it } from 'vitest';
import { QuietListings } from '../../../activities/session/quiet-listings.ts';

it('keeps a thousand quiet sessions within a sixth of the reading requests of an organisation', () => {
  const listings = new QuietListings();
  const begin = Date.now();
  const asked = Array.from({ length: 1_000 }, () => begin);
  const taken: number[] = [];
  // Each session asks whenever its stream has been quiet for a while; ten minutes in steps of 100 ms.
  for (let now = begin; now < begin + 600_000; now += 100) {
    for (const [session, at] of asked.entries()) {
      if (at > now) continue;
      asked[session] = now + listings.quietMs;
      if (listings.take(now)) taken.push(now);
    }
  }
  for (let minute = begin; minute < begin + 600_000; minute += 60_000) {
    const count = taken.filter((at) => at >= minute && at < minute + 60_000).length;
    expect(count).toBeLessThanOrEqual(221);
  }
  expect(taken.length).toBeGreaterThan(1_800);
});
