// The part of the HTTP interface for files: skills, memory folders, outputs. File paths are sent in the query string.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ArchiveError } from './archive-member.ts';
import { PathError } from './files-below.ts';
import { Refusal, readObject } from './http-body.ts';
import { type Changes, type MemoryFolders, StaleNotes } from './memory-folders.ts';
import type { Outputs } from './outputs.ts';
import { MAX_OUTPUTS } from './protocol.ts';
import type { Skills } from './skills.ts';

export interface FileServices {
  skills: Skills;
  memory: MemoryFolders;
  outputs: Outputs;
}

/** Says that the answer has already been sent as a stream. */
export const STREAMED = Symbol('streamed');

const SKILL_PATH = /^\/skills\/([^/]{1,600})$/;
const MEMORY_PATH = /^\/memory\/([\w-]{1,128})(\/notes|\/file|\/changes)?$/;

/**
 * Answers a request about files.
 * @returns the JSON body, STREAMED, or undefined if the path is not about files
 * @throws Refusal, or another error that the caller answers with 500
 */
export async function answerFiles(
  services: FileServices,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
): Promise<unknown> {
  try {
    const { method } = request;
    if (method === 'GET' && path === '/skills') return { skills: await services.skills.list() };
    const [, skill] = SKILL_PATH.exec(path) ?? [];
    if (method === 'PUT' && skill) return await installSkill(services.skills, request, skill, query);
    const [, storeId, part = ''] = MEMORY_PATH.exec(path) ?? [];
    if (storeId) return await answerMemory(services.memory, request, `${method}${part}`, storeId, query);
    if (method === 'GET' && path === '/outputs') return await services.outputs.list(MAX_OUTPUTS);
    if (method === 'GET' && path === '/outputs/file')
      return await sendOutput(services.outputs, response, query);
    return undefined;
  } catch (error) {
    throw refusalOf(error);
  }
}

async function installSkill(
  skills: Skills,
  request: IncomingMessage,
  encoded: string,
  query: URLSearchParams,
): Promise<unknown> {
  const name = decodePath(encoded);
  if (!/^[^/\0]{1,200}$/u.test(name) || /^[.]/.test(name) || Buffer.byteLength(name) > 200)
    throw new Refusal(400, 'invalid_request', 'a skill needs a name that can be that of a directory');
  const skill = { name, skillId: required(query, 'skill_id'), versionId: required(query, 'version_id') };
  return skills.install(skill, request);
}

async function answerMemory(
  memory: MemoryFolders,
  request: IncomingMessage,
  route: string,
  storeId: string,
  query: URLSearchParams,
): Promise<unknown> {
  switch (route) {
    case 'PUT': {
      const { root, readOnly } = await readObject(request, '{"root","readOnly"}');
      if (typeof root !== 'string' || typeof readOnly !== 'boolean')
        throw new Refusal(400, 'invalid_request', 'root must be a path, and readOnly must be true or false');
      await memory.mount({ storeId, root, readOnly });
      return memory.scan(storeId);
    }
    case 'GET':
      return memory.scan(storeId);
    case 'PUT/notes': {
      const { revision, notes } = await readObject(request, '{"revision","notes"}');
      if (!Number.isInteger(revision) || notes === undefined)
        throw new Refusal(400, 'invalid_request', 'revision must be a whole number, and notes must be given');
      return { revision: await memory.replaceNotes(storeId, revision as number, notes) };
    }
    case 'GET/file':
      return { content: await memory.read(storeId, required(query, 'path')) };
    case 'POST/changes':
      return {
        outcomes: await memory.change(storeId, changesOf(await readObject(request, '{"write","remove"}'))),
      };
    default:
      throw new Refusal(405, 'method_not_allowed', `${request.method} is not for ${request.url}`);
  }
}

function changesOf({ write = [], remove = [] }: Record<string, unknown>): Changes {
  const text = (value: unknown) => typeof value === 'string';
  const valid =
    Array.isArray(write) &&
    write.every(
      (one) => text(one?.path) && text(one?.content) && (one.expect === null || text(one?.expect)),
    ) &&
    Array.isArray(remove) &&
    remove.every((one) => text(one?.path) && text(one?.expect));
  if (!valid)
    throw new Refusal(
      400,
      'invalid_request',
      'write: {"path","content","expect"}[], remove: {"path","expect"}[]',
    );
  return { write, remove };
}

async function sendOutput(outputs: Outputs, response: ServerResponse, query: URLSearchParams) {
  const { handle, size } = await outputs.open(required(query, 'path'));
  // A file that grows meanwhile is sent up to its announced size. If it shrinks, the answer breaks off.
  const content = size > 0 ? handle.createReadStream({ end: size - 1 }) : handle.createReadStream();
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size });
  await pipeline(content, response).catch(() => response.destroy());
  return STREAMED;
}

function refusalOf(error: unknown): unknown {
  if (error instanceof ArchiveError) return new Refusal(422, 'unusable_archive', error.message);
  if (error instanceof PathError) return new Refusal(422, 'unusable_path', error.message);
  if (error instanceof StaleNotes) return new Refusal(409, 'stale_notes', error.message);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new Refusal(404, 'no_such_file', 'there is no such file');
  if (code === 'ENOSPC') return new Refusal(507, 'disk_full', 'no space left on the disk of the sandbox');
  if (code === 'ELOOP')
    return new Refusal(422, 'unusable_path', 'the path is a link, and links are not followed');
  return error;
}

function required(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (!value) throw new Refusal(400, 'invalid_request', `${name} must be given in the query`);
  return value;
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, 'invalid_request', 'the path is not UTF-8');
  }
}
