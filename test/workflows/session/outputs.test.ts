// Outputs in a session's workflow: copied before its sandbox is killed, and what comes in between.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { call, type Script, type Session, type SessionWorld, startSessionWorld } from '../session-world.ts';

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

const TOLD = { eventId: 'sevt_end', change: 'archived' } as const;

/** A session in whose sandbox a call has run. */
async function worked(script: Script = {}, settings = {}): Promise<Session> {
  const session = world.session(script, { copyOutputs: true, ...settings });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('the call is done', async () => (await session.status()).callsDone === 1);
  return session;
}
const ending = (session: Session) =>
  session.names().filter((name) => name === 'copyOutputs' || name === 'killSandboxes');

it.concurrent('are copied before the sandbox is killed', async () => {
  const session = await worked();
  await session.changed(TOLD);
  await session.handle.result();
  expect(ending(session)).toEqual(['copyOutputs', 'killSandboxes']);
  expect(session.argsOf('copyOutputs')).toEqual([
    { sessionId: session.id, environmentId: 'env_1', sandboxId: 'isandbox1' },
  ]);
});

it.concurrent('are not looked for where no call has run, nor where nobody wants them', async () => {
  const fresh = world.session({}, { copyOutputs: true });
  await fresh.claimed('work_1');
  await fresh.untilCalled('prepareSandbox');
  const unwanted = await worked({}, { copyOutputs: false });
  for (const session of [fresh, unwanted]) {
    await session.changed(TOLD);
    await session.handle.result();
    expect(ending(session)).toEqual(['killSandboxes']);
  }
});

it.concurrent.each<[string, Script['copyOutputs'], string]>([
  [
    'a place that cannot be used',
    () => Promise.reject(ApplicationFailure.nonRetryable('disk full')),
    'disk full',
  ],
  ['a lost sandbox', async () => ({ outcome: 'sandbox lost' }), 'no longer exists'],
  [
    'a file left out',
    async () => ({ outcome: 'copied', target: '/o', files: 0, bytes: 0, problems: ['x cannot be'] }),
    'x cannot be',
  ],
])('that are not copied are shown, and the session ends: %s', async (_what, copyOutputs, words) => {
  const session = await worked(copyOutputs ? { copyOutputs } : {});
  await session.changed(TOLD);
  await session.handle.result();
  expect(ending(session)).toEqual(['copyOutputs', 'killSandboxes']);
  expect((await session.status()).attention[0]?.what).toMatch(new RegExp(`^Outputs not copied: .*${words}`));
  const { currentDetails } = await session.handle.query<{ currentDetails: string }>(
    '__temporal_workflow_metadata',
  );
  expect(currentDetails).toContain(words);
});

it.concurrent('keep a sandbox that is wanted again while they are copied', async () => {
  const session = await worked(
    {
      copyOutputs: async (_args, one) => {
        if (one.names().filter((name) => name === 'copyOutputs').length === 1) await one.claimed('work_2');
        return { outcome: 'copied', target: '/o', files: 1, bytes: 1, problems: [] };
      },
    },
    { graceMs: 0, retentionMs: 1_000 },
  );
  await session.idle();
  await session.untilCalled('copyOutputs');
  await session.untilCalled('watchSession', 2);
  expect(ending(session)).toEqual(['copyOutputs']);
  expect((await session.status()).sandboxId).toBe('isandbox1');
});
