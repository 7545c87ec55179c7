// A person replaces a sandbox: outputs are copied first, the model learns who did it, and force waits for nothing.
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import { SANDBOX_REPLACED } from '../../../workflows/model-notices.ts';
import type { UpdateAnswer } from '../../../workflows/updates.ts';
import {
  call,
  type Script,
  type Session,
  type SessionWorld,
  startSessionWorld,
  untilCancelled,
} from '../session-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

/** A session in whose sandbox a call has run. */
async function worked(script: Script = {}, settings = {}): Promise<Session> {
  const session = world.session(script, { copyOutputs: true, ...settings });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await until('the call is done', async () => (await session.status()).callsDone === 1);
  return session;
}
const replace = ({ handle }: Session, force = false) =>
  handle.executeUpdate<UpdateAnswer, [object]>('replaceSandbox', {
    args: [{ by: 'anna@desk', ...(force ? { force } : {}) }],
  });
const ending = (session: Session) =>
  session.names().filter((name) => name === 'copyOutputs' || name === 'killSandboxes');

it.concurrent('copies outputs, kills the sandbox, and tells the model that a person did it', async () => {
  const session = await worked();
  const answer = await replace(session);
  expect(answer).toMatchObject({ outcome: 'done', text: expect.stringContaining('Its outputs are copied.') });
  expect(ending(session)).toEqual(['copyOutputs', 'killSandboxes']);
  await session.opened(call('sevt_2'));
  await until('the next call is done', async () => (await session.status()).callsDone === 2);
  expect(session.argsOf('runToolCall')[1]).toMatchObject({ modelNotice: 'sandbox-replaced' });
});

it.concurrent.each<[string, Script['copyOutputs'], RegExp]>([
  [
    'a full disk',
    () => Promise.reject(ApplicationFailure.nonRetryable('disk full')),
    /kept.*disk full.*force/,
  ],
  [
    'a file left out',
    async () => ({ outcome: 'copied', target: '/o', files: 1, bytes: 1, problems: ['x is too large'] }),
    /kept.*x is too large.*force/,
  ],
])('keeps a sandbox whose outputs cannot be copied, until force: %s', async (_what, copyOutputs, words) => {
  const session = await worked(copyOutputs ? { copyOutputs } : {});
  expect(await replace(session)).toMatchObject({ outcome: 'failed', text: expect.stringMatching(words) });
  expect(ending(session)).toEqual(['copyOutputs']);
  await session.opened(call('sevt_2'));
  await until('the next call is done', async () => (await session.status()).callsDone === 2);
  expect(session.argsOf('runToolCall')[1]).not.toHaveProperty('modelNotice');
  const forced = await replace(session, true);
  expect(forced).toMatchObject({ outcome: 'done', text: expect.stringContaining('are lost') });
  expect(ending(session)).toEqual(['copyOutputs', 'killSandboxes']);
});

it.concurrent('force ends a copy that does not end, and answers both', async () => {
  const session = await worked({
    copyOutputs: async () => {
      await untilCancelled();
      throw new Error('cancelled');
    },
  });
  const patient = replace(session);
  await session.untilCalled('copyOutputs');
  // An interrupt does not wait for the copy.
  const args: [object] = [{ by: 'anna@desk' }];
  const interrupted = await session.handle.executeUpdate<UpdateAnswer, [object]>('interrupt', { args });
  expect(interrupted.outcome).toBe('done');
  expect((await replace(session, true)).outcome).toBe('done');
  expect((await patient).outcome).toBe('done');
  expect(session.names().filter((name) => name === 'killSandboxes')).toHaveLength(1);
});

it.concurrent('pauses a sandbox again that was resumed for a copy in vain', async () => {
  const session = await worked(
    { copyOutputs: () => Promise.reject(ApplicationFailure.nonRetryable('disk full')) },
    { graceMs: 10 },
  );
  await session.idle();
  await session.untilCalled('pauseSandbox');
  await session.untilPhase('paused');
  expect((await replace(session)).outcome).toBe('failed');
  await session.untilCalled('pauseSandbox', 2);
  expect(session.names()).not.toContain('killSandboxes');
});

it.concurrent('force answers the call that runs: its outcome is unknown, and it never runs again', async () => {
  const session = world.session({
    runToolCall: async () => {
      await untilCancelled();
      throw new Error('cancelled');
    },
  });
  await session.claimed('work_1');
  await session.opened(call('sevt_1'));
  await session.untilCalled('runToolCall');
  expect((await replace(session, true)).outcome).toBe('done');
  await session.untilCalled('postResult');
  const [posted] = session.argsOf('postResult');
  expect(posted).toMatchObject({
    callId: 'sevt_1',
    result: { isError: true, content: [{ text: SANDBOX_REPLACED }] },
  });
  await until('the call is over', async () => (await session.status()).callsDone === 1);
  expect(session.argsOf('runToolCall')).toHaveLength(1);
});

it.concurrent('replaces the sandbox of a session that a person paused, and starts none before resume', async () => {
  const session = await worked();
  const args: [object] = [{ by: 'anna@desk' }];
  await session.handle.executeUpdate('pause', { args });
  expect((await replace(session)).outcome).toBe('done');
  await session.opened(call('sevt_2'));
  await until('the call waits', async () => (await session.status()).openCalls[0]?.state === 'open');
  expect(session.names().filter((name) => name === 'prepareSandbox')).toHaveLength(1);
  await session.handle.executeUpdate('resume', { args });
  await until('the call is done', async () => (await session.status()).callsDone === 2);
  expect(session.argsOf('runToolCall')[1]).toMatchObject({ modelNotice: 'sandbox-replaced' });
});
