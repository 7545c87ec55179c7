/** envd's `POST /files`: forms with files, and plain bodies; both are written to disk as they arrive. */
import { createWriteStream } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { sendJson } from './connect-rpc.ts';
import { makeFolders } from './filesystem-service.ts';
import type { SystemHelper } from './system-helper.ts';
import { fileOwner, resolvePath, type User } from './users.ts';

interface Written {
  name: string;
  path: string;
  type: 'file';
  metadata?: Record<string, string>;
}

class UploadError extends Error {
  readonly code = 'EINVAL';
}

const METADATA_HEADER = 'x-metadata-';
/** Limits of extended attributes, for the name without its prefix and for the value. */
const MAX_NAME = 255 - 'user.e2b.'.length;
const MAX_VALUE = 4096;

/** Answers with the files written. Like in envd, an aborted upload leaves a partial file. */
export async function upload(
  request: IncomingMessage,
  response: ServerResponse,
  user: User,
  path: string | null,
  helper: SystemHelper,
): Promise<void> {
  try {
    const metadata = metadataOf(request);
    const write = (source: Readable, target: string) => writeFrom(source, target, user, metadata, helper);
    const type = request.headers['content-type'] ?? '';
    const body = decoded(request);
    if (/^multipart\/form-data/i.test(type))
      sendJson(response, 200, await writeForm(body, type, path, write));
    else if (/^application\/octet-stream/i.test(type)) {
      if (!path) throw new UploadError('the query has no path');
      sendJson(response, 200, [await write(body, path)]);
    } else throw new UploadError('the content type must be multipart/form-data or application/octet-stream');
  } catch (error) {
    request.resume();
    const { code = '', message } = error as NodeJS.ErrnoException;
    const bad = [
      'EISDIR',
      'EEXIST',
      'ENOTDIR',
      'EINVAL',
      'ENAMETOOLONG',
      'ELOOP',
      'ERR_INVALID_ARG_VALUE',
      'ENXIO',
    ];
    const status =
      code === 'ENOSPC' || code === 'EDQUOT' ? 507 : bad.includes(code) || /^Z_/.test(code) ? 400 : 500;
    sendJson(response, status, { code: status, message });
  }
}

/** Writes the form parts named `file` one after another. */
function writeForm(
  body: Readable,
  contentType: string,
  path: string | null,
  write: (source: Readable, path: string) => Promise<Written>,
): Promise<Written[]> {
  const written: Written[] = [];
  const targets = new Set<string>();
  let last: Promise<void> = Promise.resolve();
  const take = async (part: BusboyFileStream, target: string) => {
    if (!target) throw new UploadError('a part has no file name, and the query no path');
    if (targets.has(target)) throw new UploadError(`two parts have the same path: ${target}`);
    targets.add(target);
    written.push(await write(part, target));
  };
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': contentType } as BusboyHeaders;
    let form: BusboyInstance;
    try {
      form = new Busboy({ headers, preservePath: true, isPartAFile: (name) => name === 'file' });
    } catch (error) {
      return reject(new UploadError((error as Error).message));
    }
    const parts: BusboyFileStream[] = [];
    const fail = (error: Error) => {
      body.unpipe(form);
      // Close the files being written; the rest of the form is not read.
      for (const part of parts) part.destroy(error);
      reject(error);
    };
    form.on('file', (_name, part, fileName: string | undefined) => {
      parts.push(part);
      part.on('error', () => undefined);
      last = last.then(() => take(part, path ?? fileName ?? ''));
      last.catch(fail);
    });
    form.on('error', (error: unknown) => fail(new UploadError((error as Error).message)));
    form.on('finish', () => last.then(() => resolve(written), fail));
    body.on('error', fail);
    body.on('aborted', () => fail(new Error('the upload broke off')));
    body.pipe(form);
  });
}

async function writeFrom(
  source: Readable,
  path: string,
  user: User,
  metadata: Record<string, string>,
  helper: SystemHelper,
): Promise<Written> {
  const full = resolvePath(path, user);
  const found = await stat(full).catch(() => undefined);
  if (found?.isDirectory()) throw new UploadError(`path is a directory: ${full}`);
  await makeFolders(dirname(full), user);
  const owner = fileOwner(user);
  const target = createWriteStream(full, { mode: 0o644 });
  if (owner) target.once('open', () => void chown(full, owner.uid, owner.gid).catch(() => undefined));
  await pipeline(source, target);
  const some = Object.keys(metadata).length > 0;
  if (some || (found && helper.available)) await helper.setAttributes(full, metadata);
  return { name: basename(full), path: full, type: 'file', ...(some ? { metadata } : {}) };
}

/** Throws for names and values that attributes do not support. */
function metadataOf({ headers }: IncomingMessage): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(METADATA_HEADER)) continue;
    const name = header.slice(METADATA_HEADER.length);
    if (!name || name.length > MAX_NAME) throw new UploadError(`the metadata name '${name}' is not valid`);
    const text = String(value);
    if (text.length > MAX_VALUE || !/^[\x20-\x7e]*$/.test(text))
      throw new UploadError(`the value of metadata '${name}' must be printable ASCII, ${MAX_VALUE} at most`);
    metadata[name] = text;
  }
  return metadata;
}

function decoded(request: IncomingMessage): Readable {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return request;
  if (encoding !== 'gzip') throw new UploadError(`the content encoding ${encoding} is not offered`);
  const gunzip = createGunzip();
  request.on('error', (error) => gunzip.destroy(error));
  request.on('aborted', () => gunzip.destroy(new Error('the upload broke off')));
  return request.pipe(gunzip);
}
