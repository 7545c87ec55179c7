// The tool "read": shows text like Anthropic's tool, images and PDFs as blocks that the model sees, and of other files the
// type and size.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError';
import { type AgentToolContext, resolvePath } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { type CallResult, textResult } from '../call.ts';
import { type FileKind, fileKind, HEAD_BYTES } from './file-kind.ts';
import { imageProblem } from './image-problem.ts';

/** The API accepts images of up to 5 MiB of base64. The same limit applies to PDFs here. */
const MAX_BYTES = (5 * 1024 * 1024 * 3) / 4;

const NOT_UTF8 = '[Where \uFFFD is shown, the file has bytes that are not UTF-8, or this character itself.]';

/** Reads a file; problems are results for the model. @param readText reads it with Anthropic's tool */
export async function readFile(
  context: AgentToolContext,
  path: string,
  readText: () => Promise<CallResult>,
): Promise<CallResult> {
  const file = await openRegular(context, path);
  // Anthropic's tool reports why a file cannot be opened.
  if (!file) return readText();
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    const found = fileKind(head.subarray(0, bytesRead));
    if (found.kind === 'text') return withNote(await readText());
    const { size } = await file.stat();
    if (found.kind === 'binary')
      return textResult(`read: ${path} is not text but a file of type: ${found.name}, ${size} bytes.`, true);
    return await blockOf(file, path, size, found);
  } catch (error) {
    return textResult(`read: ${path}: ${(error as NodeJS.ErrnoException).code ?? 'i/o error'}`, true);
  } finally {
    await file.close();
  }
}

async function openRegular(context: AgentToolContext, path: string): Promise<FileHandle | undefined> {
  try {
    const real = await resolvePath(context, path);
    // Opening a pipe without a writer would block for ever.
    return (await stat(real)).isFile() ? await open(real, 'r') : undefined;
  } catch (error) {
    if (error instanceof ToolError || (error as NodeJS.ErrnoException).code) return undefined;
    throw error;
  }
}

async function blockOf(
  file: FileHandle,
  path: string,
  size: number,
  found: Extract<FileKind, { kind: 'image' | 'pdf' }>,
): Promise<CallResult> {
  const name = found.kind === 'pdf' ? 'a PDF' : `an image (${found.mediaType})`;
  const refused = (why: string, advice: string) =>
    textResult(`read: ${path} is ${name} of ${size} bytes that cannot be shown: ${why}. ${advice}`, true);
  const advice =
    found.kind === 'pdf'
      ? 'Take the text or single pages out of it with a program.'
      : 'Make a smaller copy of it, or look into it with a program.';
  if (size > MAX_BYTES) return refused(`at most ${MAX_BYTES} bytes can`, advice);
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, 0);
  const content = bytes.subarray(0, bytesRead);
  const data = content.toString('base64');
  if (found.kind === 'pdf') {
    if (content.includes('/Encrypt')) return refused('it is encrypted', advice);
    const source = { type: 'base64' as const, media_type: 'application/pdf' as const, data };
    return { content: [{ type: 'document', source }], isError: false };
  }
  const problem = imageProblem(content, found.mediaType);
  if (problem) return refused(problem, advice);
  const source = { type: 'base64' as const, media_type: found.mediaType, data };
  return { content: [{ type: 'image', source }], isError: false };
}

function withNote(result: CallResult): CallResult {
  const isLossy = result.content.some((block) => block.type === 'text' && block.text.includes('\uFFFD'));
  if (result.isError || !isLossy) return result;
  return { ...result, content: [...result.content, { type: 'text', text: NOT_UTF8 }] };
}
