// Text that a sandbox chose, made fit to be shown to people.

/** Control, format (bidi overrides, zero width) and line separator characters, and halves of surrogate pairs. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/**
 * The beginning of a text on one line, without characters that could deceive a reader or break a record.
 * @param most characters of the excerpt
 */
export function excerpt(text: unknown, most = 200): string {
  const all = typeof text === 'string' ? text : String(text);
  // Cut before it is cleaned: a text of megabytes costs no more than a short one.
  const clean = all
    .slice(0, most * 2)
    .replace(UNFIT, ' ')
    .trim();
  if (clean.length <= most && all.length <= most * 2) return clean;
  return `${clean.slice(0, most - 1).replace(UNFIT, ' ')}…`;
}
