// Records a session that is signalled during an inspection: the inspection's answer does not show the new turn yet.
import { it } from 'vitest';
import { call, startSessionWorld } from '../workflows/session-world.ts';
import { saveHistory } from './saved-history.ts';

it('a session that is signalled while an inspection sees no running turn', async ({ onTestFinished }) => {
  const world = await startSessionWorld();
  onTestFinished(() => world.close());
  let looks = 0;
  const session = world.session(
    {
      inspectSession: async ({ orphanedCalls }, it) => {
        looks += 1;
        if (looks === 1) await it.webhookReceived();
        return {
          ours: true,
          live: looks > 1,
          ended: null,
          orphanedCalls: looks > 1 && orphanedCalls ? [call('sevt_1')] : [],
        };
      },
    },
    { graceMs: 50 },
  );
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.idle();
  await session.untilCalled('runToolCall');
  await saveHistory('overtaken-inspection', session.handle);
});
