/** Framing of streams in the Connect protocol: one byte of flags, four bytes of length, a JSON message. */
import type { IncomingMessage } from 'node:http';
import { Fields } from './fields.ts';
import { RpcError } from './rpc-error.ts';

export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const HEAD_BYTES = 5;
const COMPRESSED = 1;
const END_OF_STREAM = 2;

/** Encodes one message; `last`: the end-of-stream message. */
export function envelope(message: Record<string, unknown>, last = false): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(last ? END_OF_STREAM : 0, 0);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Decodes the messages of a request as they arrive. Throws `invalid_argument` for malformed data. */
export async function* readEnvelopes(request: IncomingMessage): AsyncGenerator<Fields, void> {
  let buffered: Buffer = Buffer.alloc(0);
  for await (const chunk of request) {
    buffered = buffered.length === 0 ? (chunk as Buffer) : Buffer.concat([buffered, chunk as Buffer]);
    for (
      let size = sizeOf(buffered);
      size !== undefined && buffered.length >= size;
      size = sizeOf(buffered)
    ) {
      const last = ((buffered[0] as number) & END_OF_STREAM) !== 0;
      const payload = buffered.subarray(HEAD_BYTES, size);
      buffered = buffered.subarray(size);
      if (!last) yield parseMessage(payload);
    }
  }
  if (buffered.length > 0) throw new RpcError('invalid_argument', 'the stream ends within an envelope');
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

/** Size of the first envelope with its header; undefined until the header is complete. */
function sizeOf(buffered: Buffer): number | undefined {
  if (buffered.length < HEAD_BYTES) return undefined;
  const flags = buffered.readUInt8(0);
  if (flags & COMPRESSED) throw new RpcError('unimplemented', 'compressed messages are not offered');
  if (flags & ~END_OF_STREAM)
    throw new RpcError('invalid_argument', `the flags of an envelope are not ${flags}`);
  const length = buffered.readUInt32BE(1);
  if (length > MAX_MESSAGE_BYTES)
    throw new RpcError('resource_exhausted', `a message may have ${MAX_MESSAGE_BYTES} bytes, not ${length}`);
  return HEAD_BYTES + length;
}
