/** envd's `GET /files`: a file or a range of it, compressed if the client accepts gzip. */
import { createReadStream, type Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { sendJson } from './connect-rpc.ts';
import { type ByteRange, parseRange } from './file-range.ts';
import { resolvePath, type User } from './users.ts';

const SMALL_FILE_BYTES = 1024 * 1024;

/** Sends the file; answers 404 if it does not exist, 400 for a folder. */
export async function download(
  path: string,
  user: User,
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const full = resolvePath(path, user);
  const found = await statIfPresent(full);
  if (!found) return sendJson(response, 404, { code: 404, message: `path '${full}' does not exist` });
  if (!found.isFile()) {
    const kind = found.isDirectory() ? 'a directory' : 'not a regular file';
    return sendJson(response, 400, { code: 400, message: `path '${full}' is ${kind}` });
  }
  const range = parseRange(headers.range, found.size);
  if (range === 'invalid') return sendJson(response, 416, { code: 416, message: 'invalid range' });
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${found.size}`);
    return sendJson(response, 416, { code: 416, message: `the file has ${found.size} bytes` });
  }
  const name = encodeURIComponent(basename(full)).replaceAll("'", '%27');
  const type = {
    'content-type': 'application/octet-stream',
    'content-disposition': `inline; filename*=UTF-8''${name}`,
    'accept-ranges': 'bytes',
    vary: 'Accept-Encoding',
  };
  if (range) return sendPart(full, range, found.size, type, response);
  // Never compress an empty file: clients recognise it by its length of 0.
  if (found.size > 0 && acceptsGzip(headers['accept-encoding'])) {
    response.writeHead(200, { ...type, 'content-encoding': 'gzip' });
    return pipeline(createReadStream(full), createGzip({ level: 1 }), response);
  }
  if (found.size > SMALL_FILE_BYTES)
    return sendStream(full, { start: 0, end: found.size - 1 }, 200, type, response);
  // Read first, then send the length: the file may be changing.
  const content = await readFile(full);
  response.writeHead(200, { ...type, 'content-length': content.length }).end(content);
}

function sendPart(
  path: string,
  range: ByteRange,
  size: number,
  headers: OutgoingHttpHeaders,
  response: ServerResponse,
): Promise<void> {
  const part = { ...headers, 'content-range': `bytes ${range.start}-${range.end}/${size}` };
  return sendStream(path, range, 206, part, response);
}

async function sendStream(
  path: string,
  range: ByteRange,
  status: number,
  headers: OutgoingHttpHeaders,
  response: ServerResponse,
): Promise<void> {
  const length = range.end - range.start + 1;
  response.writeHead(status, { ...headers, 'content-length': length });
  const source = createReadStream(path, range);
  await pipeline(source, response, { end: false });
  // If the file has become shorter meanwhile, the promised length cannot be sent.
  if (source.bytesRead === length) response.end();
  else response.destroy();
}

async function statIfPresent(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    throw error;
  }
}

/** Whether the header names `gzip` or `*` with a weight other than 0. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .map((item) =>
      item
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/),
    )
    .some(([name, weight]) => (name === 'gzip' || name === '*') && !/^q=0(\.0*)?$/.test(weight ?? ''));
}
