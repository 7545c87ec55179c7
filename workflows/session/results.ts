// What became of a tool call's result. Pure, as state.ts.
import { raise } from '../attention.ts';
import { type Call, PREVIEW_CHARS, recordCallDone, type SessionState } from './state.ts';

/** What became of a result: activities/tool-calls/post-result.ts. */
export function recordPosted(
  state: SessionState,
  { id, name }: Call,
  posted: { outcome: string; reason?: string },
  outcome: string,
  now: number,
): void {
  const reason = posted.reason ? `: ${posted.reason.slice(0, PREVIEW_CHARS)}` : '';
  if (posted.outcome === 'replaced') recordCallDone(state, id, `output refused, the model was told${reason}`);
  else recordCallDone(state, id, outcome);
  if (posted.outcome === 'interrupted')
    raise(
      state,
      'result',
      `The service took no result of ${name} (${id}); its turn was interrupted${reason}`,
      now,
    );
  if (posted.outcome === 'refused')
    raise(
      state,
      'result',
      `The result of ${name} (${id}) was refused; interrupt the session if its turn does not end${reason}`,
      now,
    );
}
