/** Faults of streamed answers: the stream breaks off or stalls. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultKind } from '../common/faults.ts';

const STREAM_FAULTS = ['cut-stream', 'stall', 'cut-end'] as const;
type StreamFault = (typeof STREAM_FAULTS)[number];

/** Header of a Connect envelope: one byte of flags, four bytes with the length of the message. */
const HEAD_BYTES = 5;
const END_OF_STREAM = 2;

export function isStreamFault(kind: FaultKind): kind is StreamFault {
  return (STREAM_FAULTS as readonly string[]).includes(kind);
}

/** Forwards the part of the answer that the fault lets through. The headers have been sent already. */
export async function applyStreamFault(
  kind: StreamFault,
  inner: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const cut = () => response.socket?.destroy();
  if (kind === 'cut-end') return passMessages(inner, response, cut);
  // The rest is read and dropped, so that the sandbox does not block or notice a closed connection.
  inner.once('data', (chunk: Buffer) => response.write(chunk, kind === 'cut-stream' ? cut : () => undefined));
}

/** Forwards all messages except the end-of-stream message. */
async function passMessages(
  inner: IncomingMessage,
  response: ServerResponse,
  cut: () => void,
): Promise<void> {
  let buffered: Buffer = Buffer.alloc(0);
  for await (const chunk of inner) {
    buffered = Buffer.concat([buffered, chunk as Buffer]);
    while (buffered.length >= HEAD_BYTES) {
      const size = HEAD_BYTES + buffered.readUInt32BE(1);
      if (buffered.length < size) break;
      const last = (buffered.readUInt8(0) & END_OF_STREAM) !== 0;
      // The callback of an empty write runs when all earlier writes are flushed.
      if (last) return void response.write(Buffer.alloc(0), cut);
      response.write(buffered.subarray(0, size));
      buffered = buffered.subarray(size);
    }
  }
  cut();
}
