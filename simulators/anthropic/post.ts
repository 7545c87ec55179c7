/** Sends one POST request. Unlike `fetch`, it finds all names below `localhost`, which are those of local sandboxes. */

import { lookup } from 'node:dns';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';

/** Resolves with the status of the answer. Throws an error with a `code`, or the signal's reason. */
export function post(
  url: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<number> {
  const send = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { method: 'POST', headers, signal, agent: false, lookup: find }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    outgoing.once('error', (error) => reject(signal.aborted ? signal.reason : error));
    outgoing.end(body);
  });
}

/** All names below `localhost` are this machine (RFC 6761), but glibc resolves only `localhost` itself. */
const find: LookupFunction = (name, options, callback) => {
  if (!name.endsWith('.localhost')) return lookup(name, options, callback);
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
};
