/** Clients of a sandbox without an SDK, for requests that SDKs never send. */
import type { Sandbox } from 'e2b';

/** Headers for requests to a sandbox's envd, with its token. */
export function routing(sandbox: Sandbox, port = 49983): Record<string, string> {
  const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': String(port) };
  return port === 49983 ? { ...headers, 'x-access-token': token(sandbox) } : headers;
}

/** The token is a private property of the SDK's class. */
function token(sandbox: Sandbox): string {
  return (sandbox as unknown as { envdAccessToken: string }).envdAccessToken;
}

/** Sends messages as a Connect stream. Returns all messages of the answer, including the end-of-stream message. */
export async function* connectFrames(
  url: string,
  sandbox: Sandbox,
  path: string,
  messages: unknown,
  headers: Record<string, string> = {},
): AsyncGenerator<Record<string, unknown>, undefined> {
  const list = Array.isArray(messages) ? messages : [messages];
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { ...routing(sandbox), 'content-type': 'application/connect+json', ...headers },
    body: Buffer.concat(list.map((message) => frame(message))),
  });
  let held = Buffer.alloc(0);
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
      const size = 5 + held.readUInt32BE(1);
      yield JSON.parse(held.subarray(5, size).toString()) as Record<string, unknown>;
      held = held.subarray(size);
    }
  }
}

/** Encodes one message as an envelope. */
export function frame(message: unknown, flags = 0): Buffer {
  const payload = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}
