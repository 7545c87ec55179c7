/** Older Python SDKs fail on unknown fields. For them envd omits the newer fields of entries, and sets a header. */
import type { IncomingMessage, ServerResponse } from 'node:http';

type Json = Record<string, unknown>;

/** User agent of older SDKs: the name of their RPC library. */
const OLDER = 'connect-python';

/** The answer without the fields that this client does not know. */
export function withoutNewFields(request: IncomingMessage, response: ServerResponse, answer: Json): Json {
  if (request.headers['user-agent'] !== OLDER) return answer;
  response.setHeader('x-e2b-legacy-sdk', 'true');
  const { entry, entries } = answer as { entry?: Json; entries?: Json[] };
  if (entry) return { ...answer, entry: plain(entry) };
  return entries ? { ...answer, entries: entries.map(plain) } : answer;
}

function plain({ name, type, path }: Json): Json {
  return { name, type, path };
}
