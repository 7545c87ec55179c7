/** Parses `Range` headers (RFC 9110) with one range of bytes. */

export interface ByteRange {
  start: number;
  /** The last byte, inclusive. */
  end: number;
}

const ONE = /^bytes=(\d*)-(\d*)$/i;
const SEVERAL = /^bytes=\d*-\d*(?:,\d*-\d*)+$/i;

/**
 * Returns the range, clipped to the file; `invalid` or `unsatisfiable`, both to be refused; or undefined if the whole
 * file is to be sent.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'invalid' | 'unsatisfiable' | undefined {
  if (!header) return undefined;
  const ranges = header.replaceAll(' ', '');
  // RFC 9110 allows the whole file as the answer to several ranges.
  if (SEVERAL.test(ranges)) return undefined;
  const [, first = '', last = ''] = ONE.exec(ranges) ?? [];
  if (first === '' && last === '') return 'invalid';
  if (first !== '' && last !== '' && Number(last) < Number(first)) return 'invalid';
  // An empty file is sent whole, because some clients always request a range.
  if (size === 0) return undefined;
  if (first === '') {
    if (Number(last) === 0) return 'unsatisfiable';
    return { start: Math.max(0, size - Number(last)), end: size - 1 };
  }
  const start = Number(first);
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
