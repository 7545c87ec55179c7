// What a person may ask a session or an environment for, as Temporal Updates: their names, their arguments, their
// answers. API of running workflows, like messages.ts.
import { defineUpdate } from '@temporalio/workflow';

/** Types of the failures with which an update is refused; the message says why. */
export const UPDATE_REFUSED = 'update refused';
export const UPDATE_MALFORMED = 'update malformed';
export const NO_SUCH_CALL = 'no such call';

/** Of a name in `by`, and of a call's id. */
export const UPDATE_ID_CHARS = 200;
/** Of a result that is written by hand. */
export const ANSWER_CHARS = 10_000;
/** An update is answered within this time; what takes longer goes on. */
export const ANSWERED_WITHIN_MS = 25_000;

export interface UpdateRequest {
  /** Who asks, for the history: 1 to `UPDATE_ID_CHARS` characters. */
  by: string;
}

export interface ReplaceRequest extends UpdateRequest {
  /** Also while a call runs in the sandbox: its outcome is then unknown. */
  force?: boolean;
}

export interface RepostRequest extends UpdateRequest {
  /** Absent: all results that can be reposted. */
  callId?: string;
}

export interface AnswerRequest extends UpdateRequest {
  callId: string;
  /** 1 to `ANSWER_CHARS` characters. */
  text: string;
  /** The model reads the text as an error. */
  isError?: boolean;
}

export interface UpdateAnswer {
  /**
   * `already`: nothing was to be done. `pending`: recorded, and done as soon as what it waits for is over. `failed`: it
   * was tried.
   */
  outcome: 'done' | 'already' | 'pending' | 'failed';
  /** What happened, in one sentence. */
  text: string;
  /** What stays as it was: lease, open calls, files, processes. */
  keeps: string;
}

export const pauseUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('pause');
/** Of a session that a person paused, and of an environment that was drained. */
export const resumeUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('resume');
export const interruptUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('interrupt');
export const replaceSandboxUpdate = defineUpdate<UpdateAnswer, [ReplaceRequest]>('replaceSandbox');
export const repostUpdate = defineUpdate<UpdateAnswer, [RepostRequest]>('repost');
export const answerUpdate = defineUpdate<UpdateAnswer, [AnswerRequest]>('answer');
export const endUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('end');

/** To an environment's workflow. */
export const drainUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('drain');
export const reconcileNowUpdate = defineUpdate<UpdateAnswer, [UpdateRequest]>('reconcileNow');

/** Memo of an environment's workflow: RFC 3339 of the moment from which no new work is taken; null while it is. */
export const DRAINED_MEMO = 'drainedSince';
