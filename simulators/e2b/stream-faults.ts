/** Streamed answers of a sandbox that break off, or fall silent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultKind } from '../common/faults.ts';

const STREAM_FAULTS = ['cut-stream', 'stall', 'cut-end'] as const;
type StreamFault = (typeof STREAM_FAULTS)[number];

/** The head of a Connect envelope: a byte of flags, four of the message's length. */
const HEAD_BYTES = 5;
const END_OF_STREAM = 2;

export function isStreamFault(kind: FaultKind): kind is StreamFault {
  return (STREAM_FAULTS as readonly string[]).includes(kind);
}

/** Passes on what the fault lets through; the head of the answer is sent already. */
export async function spoil(
  kind: StreamFault,
  inner: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const cut = () => response.socket?.destroy();
  if (kind === 'cut-end') return passMessages(inner, response, cut);
  // What comes behind it is read, so that the sandbox notices nothing.
  inner.once('data', (chunk: Buffer) => response.write(chunk, kind === 'cut-stream' ? cut : () => undefined));
}

/** All messages but the one that ends the stream. */
async function passMessages(
  inner: IncomingMessage,
  response: ServerResponse,
  cut: () => void,
): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of inner) {
    held = Buffer.concat([held, chunk as Buffer]);
    while (held.length >= HEAD_BYTES) {
      const size = HEAD_BYTES + held.readUInt32BE(1);
      if (held.length < size) break;
      const last = (held.readUInt8(0) & END_OF_STREAM) !== 0;
      // An empty write tells when what was written before it has gone.
      if (last) return void response.write(Buffer.alloc(0), cut);
      response.write(held.subarray(0, size));
      held = held.subarray(size);
    }
  }
  cut();
}
