// The router inside E2B is paused for minutes, with connections that are never reset, and over a day.
import { afterEach, it } from 'vitest';
import type { RouterInside } from '../../harness/router-inside.ts';
import { pauseInEveryPhase, startPausableRouter } from '../integration/pause-phases.ts';

const DAY_MS = 86_400_000;

let router: RouterInside | undefined;
afterEach(async () => {
  await router?.close();
  router = undefined;
});

it('a pause of five minutes in every phase of a turn, after which connections are silent', async () => {
  router = await startPausableRouter({ graceSeconds: 10 });
  await router.start();
  await pauseInEveryPhase({ router, cut: 'silent', pauseMs: 300_000 });
});

it('a day of pause in every phase of a turn', async () => {
  router = await startPausableRouter({ graceSeconds: 10, shiftableClock: true });
  await router.start();
  await pauseInEveryPhase({ router, cut: 'reset', pauseMs: 20_000, shiftMs: DAY_MS });
});
