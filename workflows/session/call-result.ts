// The result of a tool call as a history may hold it.

export interface CallResult {
  content: { type: 'text'; text: string }[];
  isError: boolean;
  /** The sandbox in whose toolhost its images and documents are: no history takes those. Absent if it has none. */
  mediaIn?: string;
}

/** What the model reads in place of a tool's own output. */
export function errorResult(text: string): CallResult {
  return { content: [{ type: 'text', text }], isError: true };
}
