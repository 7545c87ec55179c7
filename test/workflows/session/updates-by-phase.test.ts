// Every update in every phase of a session: what is answered, and that no call runs twice or loses its sandbox meanwhile.
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { until } from '../../../harness/until.ts';
import { taskFailureOf } from '../../../src/cli/sessions/history.ts';
import type { SessionSettings } from '../../../workflows/messages.ts';
import type { UpdateAnswer } from '../../../workflows/updates.ts';
import {
  call,
  type Script,
  type Session,
  type SessionWorld,
  startSessionWorld,
  untilCancelled,
} from '../session-world.ts';

vi.setConfig({ testTimeout: 90_000 });

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

interface Phase {
  script?: Script;
  settings?: Partial<SessionSettings>;
  begin(session: Session): Promise<void>;
}

const hangs = async (): Promise<never> => {
  await untilCancelled();
  throw new Error('cancelled');
};
const works = async (session: Session) => {
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.untilPhase('working');
};
const ready = async (session: Session) => {
  const isReady = async () => (await session.status()).details?.sandbox.ready === true;
  await until('the sandbox is ready', isReady);
};
const callState = (session: Session, state: string) =>
  until(`the call is ${state}`, async () => (await session.status()).openCalls[0]?.state === state);

const PHASES: Record<string, Phase> = {
  'not read yet': {
    script: { inspectSession: hangs },
    begin: async (session) => {
      await session.webhookReceived();
      await session.untilCalled('inspectSession');
    },
  },
  'model at work': {
    begin: async (session) => {
      await works(session);
      await ready(session);
    },
  },
  'call runs': {
    script: { runToolCall: hangs },
    begin: async (session) => {
      await works(session);
      await session.opened(call('sevt_1'));
      await session.untilCalled('runToolCall');
    },
  },
  'waits for approval': {
    begin: async (session) => {
      await works(session);
      await ready(session);
      await session.opened(call('sevt_1', { awaitingApproval: true }));
      await session.changed({ eventId: 'sevt_w', change: 'waiting', reason: 'an approval' });
      await callState(session, 'waiting for approval');
    },
  },
  'result is kept': {
    script: {
      runToolCall: async () => ({ outcome: 'unposted', result: { content: [], isError: false } }),
      postResult: hangs,
    },
    begin: async (session) => {
      await works(session);
      await session.opened(call('sevt_1'));
      await session.untilCalled('postResult');
    },
  },
  'result was refused': {
    script: { runToolCall: async () => ({ outcome: 'refused', reason: 'too long' }) },
    begin: async (session) => {
      await works(session);
      await session.opened(call('sevt_1'));
      await until('the call is over', async () => (await session.status()).callsDone === 1);
    },
  },
  grace: {
    begin: async (session) => {
      await works(session);
      await ready(session);
      await session.idle();
      await session.untilPhase('idle');
    },
  },
  'at rest': {
    settings: { graceMs: 10 },
    begin: async (session) => {
      await works(session);
      await ready(session);
      await session.idle();
      await session.untilCalled('pauseSandbox');
      await session.untilPhase('paused');
      await session.untilCalled('inspectSession');
    },
  },
  'waits for a slot': {
    settings: { limited: true },
    begin: async (session) => {
      await session.claimed('work_1');
      await session.opened(call('sevt_1'));
      await session.untilPhase('waiting for a sandbox');
      await session.untilCalled('requestSlot');
    },
  },
  'waits for a shared sandbox': {
    settings: { scope: 'environment' },
    begin: async (session) => {
      await session.claimed('work_1');
      await session.opened(call('sevt_1'));
      await session.untilPhase('waiting for a sandbox');
      await session.untilCalled('requestSharedSandbox');
    },
  },
  'paused by a person': {
    begin: async (session) => {
      await works(session);
      await ready(session);
      await ask(session, 'pause');
      await session.opened(call('sevt_1'));
      await callState(session, 'open');
    },
  },
};

async function ask(session: Session, name: string, more: object = {}): Promise<string> {
  try {
    const args: [object] = [{ by: 'anna@desk', ...more }];
    const answer = await session.handle.executeUpdate<UpdateAnswer, [object]>(name, { args });
    expect(answer.keeps).not.toBe('');
    return `${answer.outcome}: ${answer.text}`;
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError)) throw error;
    return `refused: ${(error.cause as ApplicationFailure).type}: ${error.cause?.message}`;
  }
}

const VERBS = ['pause', 'resume', 'interrupt', 'replaceSandbox', 'repost', 'answer', 'end'] as const;
const NO_RESULT = /^refused: update refused: .*no result waits. It is allowed for a result that is kept/;
const UNKNOWN = /^refused: no such call: session sesn_\d+ has no call sevt_1; its open calls: none$/;
const BUSY =
  /^refused: update refused: end of .*allowed when the turn is over and no call is open: interrupt/;
const DONE = /^done: /;
const NONE = /^already: No person has paused/;

/** In the order of `VERBS`. */
const EXPECTED: Record<string, RegExp[]> = {
  'not read yet': [DONE, NONE, DONE, /^already: .*no sandbox/, NO_RESULT, UNKNOWN, BUSY],
  'model at work': [DONE, NONE, DONE, DONE, NO_RESULT, UNKNOWN, BUSY],
  'call runs': [
    /^pending: .*as soon as the call that runs has ended/,
    NONE,
    DONE,
    /^pending: .*as soon as the call that runs in it has ended/,
    NO_RESULT,
    /^refused: update refused: .*sevt_1 runs; interrupt/,
    BUSY,
  ],
  'waits for approval': [DONE, NONE, DONE, DONE, NO_RESULT, /waits for an approval: allow or deny it/, BUSY],
  'result is kept': [
    DONE,
    NONE,
    DONE,
    DONE,
    /^pending: /,
    /has a result, which is being posted/,
    /a result waits/,
  ],
  'result was refused': [DONE, NONE, DONE, DONE, /^failed: .*refused/, DONE, BUSY],
  grace: [DONE, NONE, DONE, DONE, NO_RESULT, UNKNOWN, DONE],
  'at rest': [DONE, NONE, DONE, DONE, NO_RESULT, UNKNOWN, DONE],
  'waits for a slot': [DONE, NONE, DONE, DONE, NO_RESULT, DONE, BUSY],
  'waits for a shared sandbox': [
    DONE,
    NONE,
    DONE,
    /its sandbox is shared by the sessions/,
    NO_RESULT,
    DONE,
    BUSY,
  ],
  'paused by a person': [/^already: .*paused already, by anna@desk/, DONE, DONE, DONE, NO_RESULT, DONE, BUSY],
};

const CASES = Object.keys(PHASES).flatMap((phase) =>
  VERBS.map((verb, index) => ({ phase, verb, expected: EXPECTED[phase]?.[index] as RegExp })),
);

it.concurrent.each(CASES)('$verb while: $phase', async ({ phase, verb, expected }) => {
  const { script, settings, begin } = PHASES[phase] as Phase;
  const session = world.session(script, settings);
  await begin(session);
  const more = verb === 'answer' ? { callId: 'sevt_1', text: 'It is 42.' } : {};
  expect(await ask(session, verb, more)).toMatch(expected);
  const ids = session
    .argsOf('runToolCall')
    .filter((args) => !args.call.repost)
    .map((args) => args.call.id);
  expect(ids.length).toBe(new Set(ids).size);
  if (phase === 'call runs') {
    expect(session.names()).not.toContain('pauseSandbox');
    expect(session.names()).not.toContain('killSandboxes');
  }
  if (phase === 'result is kept') expect(session.names()).toContain('postResult');
  const { events = [] } = await session.handle.fetchHistory();
  expect(events?.filter(taskFailureOf)).toEqual([]);
});
