// The router inside E2B is paused while sessions are in every phase of a turn, for longer than its heartbeats.
// `npm run test:pauses` has the longer pauses.
import { afterAll, beforeAll, it } from 'vitest';
import type { RouterInside } from '../../harness/router-inside.ts';
import { pauseInEveryPhase, startPausableRouter } from './pause-phases.ts';

let router: RouterInside;
beforeAll(async () => {
  router = await startPausableRouter({ graceSeconds: 10 });
  await router.start();
}, 180_000);
afterAll(() => router?.close());

it(
  'a pause of 20 seconds in every phase of a turn: each call runs once, each result arrives once',
  {
    timeout: 600_000,
  },
  () => pauseInEveryPhase({ router, cut: 'reset', pauseMs: 20_000 }),
);
