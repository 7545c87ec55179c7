// The record of a tool call as clients see it, and results of a limited size.
import { type CallState, type Content, MAX_RESULT_BYTES } from './protocol.ts';

export type { CallState } from './protocol.ts';

export interface CallResult {
  content: Content[];
  isError: boolean;
}

export interface Call {
  id: string;
  /** Name of the tool; empty if the id was cancelled before its call arrived. */
  name: string;
  /** Id of its session; absent if the request named none. */
  session?: string;
  /** Id of its thread in that session; absent for the first thread, or if the request named none. */
  thread?: string;
  state: CallState;
  /** The boot of the toolhost that ran the call; after a restart it differs from the current boot. */
  bootId: string;
  /** ISO 8601. While the call waits for earlier calls: the time of its arrival. */
  startedAt: string;
  finishedAt?: string;
  result?: CallResult;
}

/** A request to run a tool. The input comes from the model and may be anything. */
export interface CallRequest {
  name: string;
  session?: string;
  thread?: string;
  input: unknown;
  timeoutMs: number;
}

/**
 * A result that consists of one text.
 * @param keep which end to keep of a text that is too long; a note says that it was cut
 */
export function textResult(
  text: string,
  isError: boolean,
  keep: 'head' | 'tail' = 'head',
  maxBytes = MAX_RESULT_BYTES,
): CallResult {
  return { content: [{ type: 'text', text: truncate(text, keep, maxBytes) || '(no output)' }], isError };
}

function truncate(text: string, keep: 'head' | 'tail', maxBytes: number): string {
  const bytes = Buffer.from(text);
  // The conversion turns half of a surrogate pair into U+FFFD: the API accepts well-formed text only.
  if (bytes.length <= maxBytes) return bytes.toString();
  const note =
    keep === 'head'
      ? `[cut: only the first part of ${bytes.length} bytes is shown]`
      : `[cut: only the last part of ${bytes.length} bytes is shown]`;
  const room = maxBytes - note.length - 1;
  // A character that is cut in two becomes U+FFFD, which takes 3 bytes.
  if (keep === 'head') return `${bytes.subarray(0, room - 3)}\n${note}`;
  return `${note}\n${bytes.subarray(bytes.length - room + 9)}`;
}
