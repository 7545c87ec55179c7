// Records a session that is woken while it is looked at, by a turn that the look's answer does not know of yet.
import { it } from 'vitest';
import { call, startSessionWorld } from '../workflows/session-world.ts';
import { saveHistory } from './saved-history.ts';

it('a wake while nothing is seen to be under way', async ({ onTestFinished }) => {
  const world = await startSessionWorld();
  onTestFinished(() => world.close());
  let looks = 0;
  const session = world.session(
    {
      lookAtSession: async ({ strays }, it) => {
        looks += 1;
        if (looks === 1) await it.wake();
        return {
          ours: true,
          live: looks > 1,
          ended: null,
          strays: looks > 1 && strays ? [call('sevt_1')] : [],
        };
      },
    },
    { graceMs: 50 },
  );
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.idle();
  await session.untilCalled('runToolCall');
  await saveHistory('overtaken-look', session.handle);
});
