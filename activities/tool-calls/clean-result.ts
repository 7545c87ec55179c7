// The text of a result as the service takes it: what a terminal would act on is stripped, and what JSON APIs and
// databases tend to refuse is replaced.
import type { Content } from '../../toolhost/protocol.ts';

/** A result in hand. With an image or a document in it, it is too large for a history. */
export interface Postable {
  content: Content[];
  isError: boolean;
}

/**
 * CSI sequences; OSC, DCS, SOS, PM and APC strings up to their end on the same line; two-character sequences; a lone
 * ESC. Every repetition excludes what ends it, so that the time is linear.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])?/g;
/** C0 without tab, line feed and carriage return; DEL; C1; lone surrogates. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
const UNWANTED = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\p{Surrogate}/gu;

export function cleanResult({ content, isError }: Postable): Postable {
  const cleaned = content.map((block) =>
    'text' in block ? { ...block, text: cleanText(block.text) } : block,
  );
  return { content: cleaned, isError };
}

export function cleanText(text: string): string {
  return text.replace(ESCAPES, '').replace(UNWANTED, '\ufffd');
}
