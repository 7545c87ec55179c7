// The updates of a session: what a person asks for is checked against the state and recorded; the loop acts, and the
// answer waits for the outcome. Any program with access to the namespace may send one, in any shape.
import type { UpdateDefinition } from '@temporalio/common';
import { ApplicationFailure, condition, currentUpdateInfo, setHandler } from '@temporalio/workflow';
import { answerOf, recordUpdate } from '../answered-updates.ts';
import {
  ANSWER_CHARS,
  ANSWERED_WITHIN_MS,
  answerUpdate,
  endUpdate,
  interruptUpdate,
  pauseUpdate,
  replaceSandboxUpdate,
  repostUpdate,
  resumeUpdate,
  UPDATE_ID_CHARS,
  UPDATE_MALFORMED,
  type UpdateAnswer,
  type UpdateRequest,
} from '../updates.ts';
import { type Busy, isAtRest, phaseOf } from './next-step.ts';
import {
  keepsOf,
  type Outcome,
  posted,
  recordAnswer,
  recordPaused,
  recordRepost,
  recordResumed,
  recordWish,
} from './operator.ts';
import type { SessionState } from './state.ts';
import { type Refusal, refusalOf } from './update-refusals.ts';

export interface Lifetime {
  /** Updates that are not answered yet: this run answers them. */
  answering: number;
  /** The workflow ends, and its sandbox is dealt with. */
  over: boolean;
}

/**
 * Registers all handlers; `notify` runs after each update. Call it before the first await. There is no default handler:
 * Temporal rejects an unknown name by itself, and would accept it into the history if there were one.
 */
export function receiveUpdates(
  state: SessionState,
  busy: Busy,
  lifetime: Lifetime,
  notify: () => void,
): void {
  const on = <Request extends UpdateRequest>(
    update: UpdateDefinition<UpdateAnswer, [Request]>,
    /** What is wrong with the fields beyond `by`; null if nothing is. */
    wellFormed: (request: Request) => boolean,
    act: (request: Request, now: number) => Outcome,
    pending: string,
  ): void => {
    const name = update.name as Refusal;
    setHandler(
      update,
      async (request) => {
        const id = currentUpdateInfo()?.id ?? '';
        const earlier = answerOf(state, id);
        if (earlier) return earlier;
        const outcome = act(request, Date.now());
        lifetime.answering += 1;
        notify();
        try {
          const answer = await settled(outcome, name, pending);
          recordUpdate(state, { id, name, by: request.by, at: Date.now(), answer });
          return answer;
        } finally {
          lifetime.answering -= 1;
          notify();
        }
      },
      {
        validator: (request) => {
          if (!isRequest(request) || !wellFormed(request)) throw malformed(name);
          if (answerOf(state, currentUpdateInfo()?.id)) return;
          const refusal = refusalOf(state, name, request, phaseOf(state, busy));
          if (refusal) throw ApplicationFailure.nonRetryable(refusal.message, refusal.type);
        },
      },
    );
  };
  /** What takes long goes on: a call may run for minutes, and a renewal waits for this answer. */
  const settled = async (outcome: Outcome, name: Refusal, pending: string): Promise<UpdateAnswer> => {
    if (typeof outcome !== 'function') return outcome;
    const isOver = () => lifetime.over || outcome() !== null;
    await condition(isOver, ANSWERED_WITHIN_MS, { summary: `until ${name} is done` });
    const answer = outcome();
    if (answer) return answer;
    const keeps = keepsOf(state);
    if (lifetime.over) return { outcome: 'failed', text: `The session has ended: ${state.end}.`, keeps };
    return { outcome: 'pending', text: pending, keeps };
  };
  const said = (outcome: UpdateAnswer['outcome'], text: string): UpdateAnswer => ({
    outcome,
    text,
    keeps: keepsOf(state),
  });
  const anything = () => true;

  on(
    pauseUpdate,
    anything,
    (request, now) => {
      const already = state.paused && isAtRest(state, busy);
      const { by } = state.paused ?? request;
      if (already) return said('already', `The session is paused already, by ${by}.`);
      recordPaused(state, request, now);
      return () => {
        if (!state.paused) return said('failed', 'A person has resumed the session meanwhile.');
        if (!isAtRest(state, busy)) return null;
        return said('done', 'The session is paused: no call runs and no sandbox starts until it is resumed.');
      };
    },
    'The session pauses as soon as the call that runs has ended.',
  );
  on(
    resumeUpdate,
    anything,
    (_request, now) => {
      if (!state.paused) return said('already', 'No person has paused the session.');
      recordResumed(state, now);
      return said('done', 'The session goes on: open calls run, and new turns get their sandbox.');
    },
    '',
  );
  on(
    interruptUpdate,
    anything,
    (request, now) => {
      const wish = recordWish(state, 'interrupt', request, now);
      return () => wish.answer ?? null;
    },
    'The interrupt is not posted yet: the service does not answer, and it is tried again.',
  );
  on(
    replaceSandboxUpdate,
    ({ force }) => force === undefined || typeof force === 'boolean',
    (request, now) => {
      if (!state.sandbox.id && !busy.prepare)
        return said('already', 'The session has no sandbox: its next call gets a new one.');
      const wish = recordWish(state, 'replace', request, now);
      return () => wish.answer ?? null;
    },
    'The sandbox is replaced as soon as the call that runs in it has ended; force does not wait for it.',
  );
  on(
    repostUpdate,
    ({ callId }) => callId === undefined || isText(callId, UPDATE_ID_CHARS),
    (request, now) => {
      const ids = recordRepost(state, request, now);
      if (ids.length === 0) return said('already', `The service has the result of ${request.callId}.`);
      return () => worst(ids.map((id) => posted(state, id)));
    },
    'The result is not posted yet: it is tried again until the service has it or refuses it.',
  );
  on(
    answerUpdate,
    ({ callId, text, isError }) =>
      isText(callId, UPDATE_ID_CHARS) &&
      isText(text, ANSWER_CHARS) &&
      (isError === undefined || typeof isError === 'boolean'),
    (request, now) => {
      recordAnswer(state, request, now);
      return () => posted(state, request.callId);
    },
    'The answer is kept, and is posted as soon as the service takes it.',
  );
  on(
    endUpdate,
    anything,
    ({ by }) => {
      const kept = 'nothing: lease, sandbox, files and processes are gone';
      state.end ??= `ended by ${by}`;
      const text = `The session's workflow has ended (${state.end}). A new turn begins with a new sandbox.`;
      return () => (lifetime.over ? { outcome: 'done', text, keeps: kept } : null);
    },
    'The session ends as soon as its outputs are copied and its sandbox is killed.',
  );
}

/** Null until all are known; then the first failure, if there is one. */
function worst(answers: (UpdateAnswer | null)[]): UpdateAnswer | null {
  if (answers.includes(null)) return null;
  return (
    answers.find((one) => one?.outcome === 'failed') ??
    answers.find((one) => one?.outcome === 'done') ??
    answers[0] ??
    null
  );
}

function isRequest(request: UpdateRequest): boolean {
  return typeof request === 'object' && request !== null && isText(request.by, UPDATE_ID_CHARS);
}

function isText(value: unknown, chars: number): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.length <= chars;
}

function malformed(name: string): ApplicationFailure {
  const message =
    `${name} takes { by } with 1 to ${UPDATE_ID_CHARS} characters, and the fields that workflows/updates.ts names, ` +
    'within their limits';
  return ApplicationFailure.nonRetryable(message, UPDATE_MALFORMED);
}
