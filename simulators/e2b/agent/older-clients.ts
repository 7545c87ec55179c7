/** Older Python SDKs fail on fields that they do not know: envd leaves those of entries out for them, and says so. */
import type { IncomingMessage, ServerResponse } from 'node:http';

type Json = Record<string, unknown>;

/** The name of the SDKs' RPC client, which newer ones replace by their own. */
const OLDER = 'connect-python';

/** The answer of a call as this client can read it. */
export function readableBy(request: IncomingMessage, response: ServerResponse, answer: Json): Json {
  if (request.headers['user-agent'] !== OLDER) return answer;
  response.setHeader('x-e2b-legacy-sdk', 'true');
  const { entry, entries } = answer as { entry?: Json; entries?: Json[] };
  if (entry) return { ...answer, entry: plain(entry) };
  return entries ? { ...answer, entries: entries.map(plain) } : answer;
}

function plain({ name, type, path }: Json): Json {
  return { name, type, path };
}
