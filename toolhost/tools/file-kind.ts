// Recognises the kind of a file by its first bytes.
import type { IMAGE_TYPES } from '../protocol.ts';

export type ImageType = (typeof IMAGE_TYPES)[number];

export type FileKind =
  | { kind: 'text' }
  | { kind: 'image'; mediaType: ImageType }
  | { kind: 'pdf' }
  /** `name`: the kind of file in words for the model. */
  | { kind: 'binary'; name: string };

/** Number of bytes to inspect: a file with a NUL among them is binary, as in git. */
export const HEAD_BYTES = 8_192;
const MAGIC_BYTES = 300;

/** Patterns of the first bytes in hexadecimal. */
const IMAGES: [ImageType, RegExp][] = [
  ['image/png', /^89504e470d0a1a0a/],
  ['image/jpeg', /^ffd8ff/],
  ['image/gif', /^474946383[79]61/],
  ['image/webp', /^52494646........57454250/],
];

const BINARIES: [string, RegExp][] = [
  ['UTF-16 text (convert it with `iconv -f UTF-16 -t UTF-8`)', /^(fffe|feff)/],
  ['gzip archive', /^1f8b/],
  ['zip archive, or an office document, jar or wheel', /^504b0(304|506)/],
  ['bzip2 archive', /^425a683/],
  ['xz archive', /^fd377a585a00/],
  ['zstd archive', /^28b52ffd/],
  ['7z archive', /^377abcaf271c/],
  ['tar archive', /^(..){257}7573746172/],
  ['ELF program or library', /^7f454c46/],
  ['SQLite database', /^53514c69746520666f726d6174203300/],
  ['Parquet table', /^50415231/],
  ['NumPy array', /^934e554d5059/],
  ['HDF5 data', /^894844460d0a/],
  ['WebAssembly module', /^0061736d/],
  ['BMP image', /^424d........00000000/],
  ['TIFF image', /^(49492a00|4d4d002a)/],
  ['icon', /^00000100/],
  ['AVIF or HEIC image', /^........66747970(61766966|68656963|68656978|6d696631)/],
  ['MP4 video', /^........66747970/],
  ['WAV audio', /^52494646........57415645/],
  ['MP3 audio', /^494433/],
  ['Ogg audio or video', /^4f676753/],
  ['FLAC audio', /^664c6143/],
  ['font', /^(00010000|4f54544f|774f46(46|32))/],
  ['Python bytecode', /^....0d0a/],
];

/** @param head the first HEAD_BYTES of the file, or the whole file if it is shorter */
export function fileKind(head: Buffer): FileKind {
  const hex = head.toString('hex', 0, MAGIC_BYTES);
  const image = IMAGES.find(([, magic]) => magic.test(hex));
  if (image) return { kind: 'image', mediaType: image[0] };
  if (/^%PDF-\d/.test(head.toString('latin1', 0, 8))) return { kind: 'pdf' };
  if (!head.includes(0) && !/^(fffe|feff)/.test(hex)) return { kind: 'text' };
  return { kind: 'binary', name: BINARIES.find(([, magic]) => magic.test(hex))?.[0] ?? 'binary data' };
}
