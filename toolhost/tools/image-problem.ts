// Checks whether the API would accept an image: whether it is complete, and not too large. An image that the API refuses
// stays in the conversation and fails every later turn.
import type { ImageType } from './file-kind.ts';

/** Maximum length of each side. */
const MAX_PIXELS = 8_000;

interface Size {
  width: number;
  height: number;
}

/** What is wrong with an image, in words for the model; undefined if the API accepts it. */
export function imageProblem(bytes: Buffer, type: ImageType): string | undefined {
  const size = sizeOf(bytes, type);
  if (!size || size.width === 0 || size.height === 0 || !isWhole(bytes, type))
    return 'it is damaged or not complete';
  if (size.width > MAX_PIXELS || size.height > MAX_PIXELS)
    return `it has ${size.width} x ${size.height} pixels, and a side may have at most ${MAX_PIXELS}`;
  return undefined;
}

function sizeOf(bytes: Buffer, type: ImageType): Size | undefined {
  if (bytes.length < 30) return undefined;
  switch (type) {
    case 'image/png':
      return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
    case 'image/gif':
      return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
    case 'image/jpeg':
      return jpegSize(bytes);
    case 'image/webp':
      return webpSize(bytes);
  }
}

/** Reads the first frame header; segments before it are skipped by their length. */
function jpegSize(bytes: Buffer): Size | undefined {
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] as number;
    // Fill bytes, and markers without content.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function webpSize(bytes: Buffer): Size | undefined {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const packed = bytes.readUInt32LE(21);
      return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** Whether the image has its end: a program may still be writing it. Bytes after the end are allowed. */
function isWhole(bytes: Buffer, type: ImageType): boolean {
  switch (type) {
    case 'image/png':
      return bytes.includes('IEND\xae\x42\x60\x82', 0, 'latin1');
    case 'image/jpeg':
      return bytes.includes('\xff\xd9', 0, 'latin1');
    case 'image/gif':
      return bytes.includes('\0;', 0, 'latin1');
    case 'image/webp':
      return bytes.length >= bytes.readUInt32LE(4) + 8;
  }
}
