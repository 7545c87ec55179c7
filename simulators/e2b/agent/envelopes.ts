/** The framing of streams in the Connect protocol: a byte of flags, a length of four bytes, a JSON message. */
import type { IncomingMessage } from 'node:http';
import { Fields } from './fields.ts';
import { RpcError } from './rpc-error.ts';

export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const HEAD_BYTES = 5;
const COMPRESSED = 1;
const END_OF_STREAM = 2;

/** One message as it goes over the wire; the last one of a stream carries the trailer. */
export function envelope(message: Record<string, unknown>, last = false): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(last ? END_OF_STREAM : 0, 0);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** The messages of a request, as they arrive. Throws `invalid_argument` for anything that is none. */
export async function* readEnvelopes(request: IncomingMessage): AsyncGenerator<Fields, void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of request) {
    held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
    for (let size = sizeOf(held); size !== undefined && held.length >= size; size = sizeOf(held)) {
      const last = ((held[0] as number) & END_OF_STREAM) !== 0;
      const payload = held.subarray(HEAD_BYTES, size);
      held = held.subarray(size);
      if (!last) yield parseMessage(payload);
    }
  }
  if (held.length > 0) throw new RpcError('invalid_argument', 'the stream ends within an envelope');
}

export function parseMessage(payload: Buffer): Fields {
  if (payload.length === 0) return new Fields({});
  let json: unknown;
  try {
    json = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new RpcError('invalid_argument', 'the message is not JSON');
  }
  return new Fields(json);
}

/** Bytes of the first envelope, its head included; undefined while that is not known. */
function sizeOf(held: Buffer): number | undefined {
  if (held.length < HEAD_BYTES) return undefined;
  const flags = held.readUInt8(0);
  if (flags & COMPRESSED) throw new RpcError('unimplemented', 'compressed messages are not offered');
  if (flags & ~END_OF_STREAM)
    throw new RpcError('invalid_argument', `the flags of an envelope are not ${flags}`);
  const length = held.readUInt32BE(1);
  if (length > MAX_MESSAGE_BYTES)
    throw new RpcError('resource_exhausted', `a message may have ${MAX_MESSAGE_BYTES} bytes, not ${length}`);
  return HEAD_BYTES + length;
}
