/** Which part of a file a client wants (RFC 9110): one range of bytes. */

export interface ByteRange {
  start: number;
  /** The last byte, included. */
  end: number;
}

const ONE = /^bytes=(\d*)-(\d*)$/i;
const SEVERAL = /^bytes=\d*-\d*(?:,\d*-\d*)+$/i;

/**
 * The range, clipped to the file; `invalid` or `unsatisfiable`, both of which are refused; or undefined where the
 * whole file is to be sent.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'invalid' | 'unsatisfiable' | undefined {
  if (!header) return undefined;
  const ranges = header.replaceAll(' ', '');
  // Several at once may be answered with everything.
  if (SEVERAL.test(ranges)) return undefined;
  const [, first = '', last = ''] = ONE.exec(ranges) ?? [];
  if (first === '' && last === '') return 'invalid';
  if (first !== '' && last !== '' && Number(last) < Number(first)) return 'invalid';
  // Some clients ask for a part of everything.
  if (size === 0) return undefined;
  if (first === '') {
    if (Number(last) === 0) return 'unsatisfiable';
    return { start: Math.max(0, size - Number(last)), end: size - 1 };
  }
  const start = Number(first);
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
