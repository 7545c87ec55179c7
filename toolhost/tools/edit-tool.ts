// The tool "edit". It works on bytes, so that it changes nothing else in the file, whatever the file's encoding is.
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError';
import { type AgentToolContext, resolvePath } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { type CallResult, textResult } from '../call.ts';

/** The same limit as in Anthropic's tool. */
const MAX_BYTES = 256 * 1024;
const TOO_LARGE = 'The edit tool loads the whole file and cannot modify a file this large.';

export interface EditInput {
  file_path: string;
  old_string: string;
  new_string: string;
  replace_all?: boolean;
}

/** Replaces a string in a file; never throws. Problems are results for the model. */
export async function editFile(context: AgentToolContext, input: EditInput): Promise<CallResult> {
  try {
    return textResult(await edit(context, input), false);
  } catch (error) {
    if (error instanceof ToolError) return textResult(error.message, true);
    return textResult(`edit: ${input.file_path}: ${reasonOf(error as NodeJS.ErrnoException)}`, true);
  }
}

async function edit(
  context: AgentToolContext,
  { file_path, old_string, new_string, replace_all }: EditInput,
): Promise<string> {
  if (!file_path) throw new ToolError('edit: file_path is required');
  if (!old_string) throw new ToolError('edit: old_string is required');
  if (/\p{Surrogate}/u.test(old_string + new_string))
    throw new ToolError('edit: a string has half of a surrogate pair, which no file can hold');
  const real = await resolvePath(context, file_path);
  const root = await readOnlyRoot(context, real);
  if (root !== undefined) throw new ToolError(`edit: ${file_path} is inside read-only directory ${root}`);
  const { size, mode } = await statRegularFile(real, file_path);
  if (size > MAX_BYTES)
    throw new ToolError(`edit: ${file_path} is ${size} bytes, exceeds ${MAX_BYTES}-byte limit. ${TOO_LARGE}`);
  const before = await readFile(real);
  const old = Buffer.from(old_string);
  const places = occurrences(before, old);
  if (places.length === 0)
    throw new ToolError(`edit: old_string not found in ${file_path}${whyNotFound(before, old_string)}`);
  if (places.length > 1 && !replace_all)
    throw new ToolError(`edit: old_string appears ${places.length} times in ${file_path} (must be unique)`);
  const replacement = Buffer.from(new_string);
  if (!isUtf8(before) && replacement.some((byte) => byte > 0x7f))
    throw new ToolError(
      `edit: ${file_path} is not UTF-8, so new_string may have ASCII characters alone: others would mix two ` +
        'encodings in one file. Convert the file first, for example with iconv.',
    );
  await replaceFile(real, spliced(before, places, old.length, replacement), mode);
  return `edited ${file_path} (${places.length} replacement(s))`;
}

async function readOnlyRoot(
  { readOnlyRoots = [] }: AgentToolContext,
  path: string,
): Promise<string | undefined> {
  for (const root of readOnlyRoots) {
    const real = await realpath(root).catch(() => root);
    if (path === real || path.startsWith(`${real}/`)) return root;
  }
  return undefined;
}

async function statRegularFile(real: string, shown: string): Promise<{ size: number; mode: number }> {
  const found = await stat(real);
  if (!found.isFile()) throw new ToolError(`edit: ${shown} is not a regular file`);
  return found;
}

/** The offsets of `part` in `bytes`; of overlapping occurrences only the first counts. */
function occurrences(bytes: Buffer, part: Buffer): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(part); at >= 0; at = bytes.indexOf(part, at + part.length)) places.push(at);
  return places;
}

function spliced(bytes: Buffer, places: number[], length: number, replacement: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const place of places) {
    parts.push(bytes.subarray(from, place), replacement);
    from = place + length;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

function whyNotFound(bytes: Buffer, wanted: string): string {
  if (!isUtf8(bytes) || bytes.includes(0))
    return '. The file is not UTF-8: characters other than ASCII, and any text in UTF-16, cannot be found in it';
  if (wanted.includes('\n') && !wanted.includes('\r') && bytes.includes('\r\n'))
    return '. The lines of the file end in \\r\\n, those of old_string in \\n alone';
  return '';
}

/** Replaces a file atomically and keeps its mode. */
async function replaceFile(path: string, content: Buffer, mode: number): Promise<void> {
  // memory-folders.ts ignores files with this name.
  const next = join(dirname(path), `.put-${randomUUID()}`);
  try {
    const file = await open(next, 'wx', 0o600);
    try {
      await file.chmod(mode & 0o7777);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true }).catch(() => {});
    throw error;
  }
}

function reasonOf({ code }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'no such file or directory';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOSPC':
      return 'no space left on device';
    default:
      return `i/o error (${code ?? 'unknown'})`;
  }
}
