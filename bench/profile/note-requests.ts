// Loaded into the router's processes by `npm run bench -- --profile`: notes when their requests are sent and answered,
// and when an event arrives on a stream. One JSON line each, appended to the file that the URL of this module names.
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { basename } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const to = new URL(import.meta.url).searchParams.get('to');
const program = process.argv[2] ?? basename(process.argv[1] ?? '');

function note(what: string): void {
  const at = performance.timeOrigin + performance.now();
  appendFileSync(to as string, `${JSON.stringify({ at, what: `${program}: ${what}` })}\n`);
}

/** Of a path without its ids: what is asked. */
function named(method: string, path: string): string {
  const bare = (path.split('?')[0] ?? '').replace(/\b(?:[a-z]+_[\w-]{8,}|[a-z0-9]{15,})\b/g, '…');
  return `${method} ${bare.replace('/v1/', '')}`;
}

interface Undici {
  request: { method: string; path: string };
  chunk?: Uint8Array;
}
interface Http {
  request: { method: string; path: string };
}
interface Http2 {
  stream: { sentHeaders?: IncomingHttpHeaders };
  headers?: IncomingHttpHeaders;
}

if (to && isMainThread) {
  const onUndici = (channel: string, what: (message: Undici) => string | undefined) =>
    subscribe(`undici:${channel}`, (message) => {
      const text = what(message as Undici);
      if (text) note(text);
    });
  const nameOf = ({ request }: Undici | Http) => named(request.method, request.path);
  onUndici('client:sendHeaders', (message) => `${nameOf(message)} sent`);
  onUndici('request:headers', (message) => `${nameOf(message)} answered`);
  onUndici('request:bodyChunkReceived', ({ request, chunk }) => {
    if (!request.path.includes('/stream')) return undefined;
    const type = /"type":"((?:agent|user|session)\.[a-z_]+)"/.exec(Buffer.from(chunk ?? []).toString());
    return type ? `${type[1]} on the stream` : undefined;
  });
  subscribe('http.client.request.start', (message) => note(`${nameOf(message as Http)} sent`));
  subscribe('http.client.response.finish', (message) => note(`${nameOf(message as Http)} answered`));
  const rpcOf = ({ headers, stream }: Http2) =>
    String((headers?.[':path'] ? headers : stream.sentHeaders)?.[':path']).replace(/^.*\//, '');
  subscribe('http2.client.stream.start', (message) => note(`${rpcOf(message as Http2)} sent`));
  subscribe('http2.client.stream.close', (message) => note(`${rpcOf(message as Http2)} answered`));
}
