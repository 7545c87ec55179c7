// Makes text that a sandbox chose safe to show to people.

/** Control characters, format characters (bidi overrides, zero width), line separators, halves of surrogate pairs. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/**
 * The beginning of a text on one line, without characters that could deceive a reader or break a log line.
 * @param most maximum length of the excerpt in characters
 */
export function excerpt(text: unknown, most = 200): string {
  const all = typeof text === 'string' ? text : String(text);
  // Cut before cleaning, so that a text of megabytes costs no more than a short one.
  const clean = all
    .slice(0, most * 2)
    .replace(UNFIT, ' ')
    .trim();
  if (clean.length <= most && all.length <= most * 2) return clean;
  return `${clean.slice(0, most - 1).replace(UNFIT, ' ')}…`;
}
