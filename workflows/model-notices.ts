// What the model reads about a call beside the tool's own output, or in place of it. All of it is here, except what the
// tools themselves say (toolhost/). Each text says what happened, whether the call may have had an effect, and what to do.
import type { CallResult, ModelNotice } from './contract.ts';

/** A text in place of a tool's own output. */
export function errorResult(text: string): CallResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/** Before the output of the next call. */
export const FILES_NOTICES: Record<ModelNotice, string> = {
  'files-lost':
    '[The sandbox of this session was lost. This is a new one: files written earlier no longer exist.]',
  'files-rolled-back':
    '[The sandbox of this session was resumed in an earlier state: what was done in it last is undone. Check files ' +
    'before you rely on them.]',
  'sandbox-replaced':
    '[A person has replaced the sandbox of this session. This is a new one: files written earlier no longer exist.]',
};
export const withoutMemory = (reason: string) =>
  `[Memory is not available now (${reason}): its folders may not show what is saved. What is written there is saved ` +
  'when memory is back, if the sandbox still exists by then.]';

/** After the rest of the output. */
export const MEDIA_LOST =
  '[The tool returned an image or a document. It could not be delivered at once, and was lost with its sandbox. Read ' +
  'the file again if it still exists.]';

/** In place of an output: the call did not run. */
export const sandboxUnavailable = (reason: string) =>
  `The sandbox for this session could not be started: ${reason}`;
export const CALL_ORPHANED = 'The command was left behind when its worker went away; it was not run.';

/** In place of an output: the call may have had an effect. */
export const SANDBOX_LOST =
  'The sandbox that ran this command no longer exists. Whether the command had an effect is unknown, and it was ' +
  'not run again. The session continues in a new, empty sandbox.';
export const SANDBOX_REPLACED =
  'A person replaced the sandbox while this command ran in it. Whether the command had an effect is unknown, and it was ' +
  'not run again. The session continues in a new, empty sandbox.';
export const SANDBOX_ROLLED_BACK =
  'The sandbox went back to an earlier state while this command ran. Whether it had an effect is unknown.';
export const CUT_OFF = 'The command was cut off when its sandbox was restarted; it may have had an effect.';
export const INTERRUPTED =
  'The command was interrupted by the user. If it had begun it was stopped, and it may have had an effect.';
export const callFailed = (reason: string) => `The tool could not be run: ${reason}`;

/** In place of an output that the service did not take. */
export const outputRefused = (reason: string) =>
  'The command ran, but its output was refused by the API and cannot be shown. Do not repeat it for its output alone: ' +
  `write the output to a file and read it in parts. The refusal: ${reason}`;
