/** envd's `/files`: download and upload, whole files at a time. */
import { createReadStream, createWriteStream } from 'node:fs';
import { chown, lstat, readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import { sendJson } from './connect-rpc.ts';
import { makeFolders } from './filesystem-service.ts';
import { fileOwner, resolvePath, type User } from './users.ts';

const SMALL_FILE_BYTES = 1024 * 1024;

interface Written {
  name: string;
  path: string;
  type: 'file';
}

/** Answers with the file's bytes; 404 if there is none, 400 for a folder. */
export async function download(path: string, user: User, response: ServerResponse): Promise<void> {
  const full = resolvePath(path, user);
  const found = await stat(full).catch(() => undefined);
  if (!found) return sendJson(response, 404, { code: 404, message: `path '${full}' does not exist` });
  if (found.isDirectory())
    return sendJson(response, 400, { code: 400, message: `path '${full}' is a directory` });
  const type = { 'content-type': 'application/octet-stream' };
  if (found.size <= SMALL_FILE_BYTES) {
    // Read before its length is promised: somebody may be writing it.
    const content = await readFile(full);
    response.writeHead(200, { ...type, 'content-length': content.length }).end(content);
    return;
  }
  response.writeHead(200, { ...type, 'content-length': found.size });
  await pipeline(createReadStream(full, { end: found.size - 1 }), response);
}

/** Takes multipart forms (each part `file`) and plain bodies; answers with what was written. */
export async function upload(
  request: IncomingMessage,
  response: ServerResponse,
  user: User,
  path: string | null,
): Promise<void> {
  const type = request.headers['content-type'] ?? '';
  if (Object.keys(request.headers).some((name) => name.startsWith('x-metadata-'))) {
    request.resume();
    const message = 'the local stand-in of E2B does not offer file metadata';
    return sendJson(response, 501, { code: 501, message });
  }
  try {
    const written = type.startsWith('multipart/form-data')
      ? await writeForm(request, type, user, path)
      : [await writeFrom(unzipped(request), path ?? '', user)];
    sendJson(response, 200, written);
  } catch (error) {
    request.resume();
    const { code, message } = error as NodeJS.ErrnoException;
    const status = code === 'ENOSPC' ? 507 : code === 'EISDIR' || code === 'ENOTDIR' ? 400 : 500;
    sendJson(response, status, { code: status, message });
  }
}

async function writeForm(
  request: IncomingMessage,
  type: string,
  user: User,
  path: string | null,
): Promise<Written[]> {
  const body = Readable.toWeb(unzipped(request)) as globalThis.ReadableStream;
  const form = await new Response(body, { headers: { 'content-type': type } }).formData();
  const written: Written[] = [];
  for (const part of form.getAll('file')) {
    if (typeof part === 'string') continue;
    const source = Readable.fromWeb(part.stream() as ReadableStream);
    // Several files at once carry their paths as file names.
    written.push(await writeFrom(source, path ?? part.name, user));
  }
  return written;
}

async function writeFrom(source: Readable, path: string, user: User): Promise<Written> {
  const full = resolvePath(path, user);
  await makeFolders(dirname(full), user);
  const existed = await lstat(full).catch(() => undefined);
  await pipeline(source, createWriteStream(full, { mode: 0o644 }));
  const owner = fileOwner(user);
  if (!existed && owner) await chown(full, owner.uid, owner.gid);
  return { name: basename(full), path: full, type: 'file' };
}

function unzipped(request: IncomingMessage): Readable {
  if (request.headers['content-encoding'] !== 'gzip') return request;
  const gunzip = createGunzip();
  request.on('error', (error) => gunzip.destroy(error));
  return request.pipe(gunzip);
}
