// Reads the bodies of requests, and defines the error that refuses a request.
import type { IncomingMessage } from 'node:http';

/** Larger bodies are refused: no model writes that much in one call. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** A body that is too large is still read up to here, because its sender reads the refusal only after sending it. */
const MAX_DROPPED_BYTES = 64 * 1024 * 1024;

/** Refuses a request with an HTTP status, a code for programs and a message for people. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The body as text. @throws Refusal if it is too large or not UTF-8 */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    else if (size > MAX_DROPPED_BYTES) break;
  }
  if (size > MAX_BODY_BYTES)
    throw new Refusal(413, 'too_large', `the body is larger than ${MAX_BODY_BYTES} bytes`);
  const bytes = Buffer.concat(chunks);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, 'invalid_request', 'the body is not UTF-8');
  }
}

/**
 * The body as a JSON object.
 * @param expected the object's shape, for the message of the refusal
 * @throws Refusal if the body is not a JSON object
 */
export async function readObject(
  request: IncomingMessage,
  expected: string,
): Promise<Record<string, unknown>> {
  const body = parseJson(await readBody(request));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Refusal(400, 'invalid_request', `the body must be an object ${expected}`);
  return body as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, 'invalid_request', `the body is not JSON: ${(error as Error).message}`);
  }
}
