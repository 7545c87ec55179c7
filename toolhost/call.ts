// What a tool call is to the outside: its record, its result, and the bounds of both.
import { type CallState, type Content, MAX_RESULT_BYTES } from './protocol.ts';

export type { CallState } from './protocol.ts';

export interface CallResult {
  content: Content[];
  isError: boolean;
}

export interface Call {
  id: string;
  /** Empty for an id that was cancelled before it was ever sent. */
  name: string;
  /** The session it belongs to; absent where nobody named one. */
  session?: string;
  /** Of that session; absent for its first one, or where nobody named one. */
  thread?: string;
  state: CallState;
  /** The boot of the toolhost that ran it; differs from the present one after a restart. */
  bootId: string;
  /** ISO 8601; while a call waits for its turn, when it arrived. */
  startedAt: string;
  finishedAt?: string;
  result?: CallResult;
}

/** What a client asks for. The input is the model's and may be anything. */
export interface CallRequest {
  name: string;
  session?: string;
  thread?: string;
  input: unknown;
  timeoutMs: number;
}

/** A result of one text, cut to its bound; `keep` says which end of a text that is too long is worth more. */
export function textResult(
  text: string,
  isError: boolean,
  keep: 'head' | 'tail' = 'head',
  maxBytes = MAX_RESULT_BYTES,
): CallResult {
  return { content: [{ type: 'text', text: bounded(text, keep, maxBytes) || '(no output)' }], isError };
}

function bounded(text: string, keep: 'head' | 'tail', maxBytes: number): string {
  const bytes = Buffer.from(text);
  // Half of a surrogate pair, which a cut by the tool may leave, becomes U+FFFD: the API takes well-formed text only.
  if (bytes.length <= maxBytes) return bytes.toString();
  const note =
    keep === 'head'
      ? `[cut: only the first part of ${bytes.length} bytes is shown]`
      : `[cut: only the last part of ${bytes.length} bytes is shown]`;
  const room = maxBytes - note.length - 1;
  // A character cut in two becomes U+FFFD, which is 3 bytes: leave room for one.
  if (keep === 'head') return `${bytes.subarray(0, room - 3)}\n${note}`;
  return `${note}\n${bytes.subarray(bytes.length - room + 9)}`;
}
