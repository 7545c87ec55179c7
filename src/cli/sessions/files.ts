// `sessions files get|put`: copies one file out of a session's sandbox, or into it.
import { createWriteStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { SandboxHttpError } from '../../clients/sandbox-http.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { clean } from '../output.ts';
import { sessionIdOf } from './ids.ts';
import { withSandbox } from './sandbox-access.ts';

const ROOT = '/mnt/session';
const USER = 'user';
const MAX_GET_BYTES = 1024 ** 3;
const MAX_PUT_BYTES = 50 * 1024 ** 2;
const WAKE = ['--wake', 'resume the sandbox if it is paused'] as const;

export function addFilesCommands(sessions: Command, context: CommandContext): void {
  const files = sessions.command('files').description(`copy files below ${ROOT} of a session's sandbox`);
  files
    .command('get')
    .description(`copy a file out of the sandbox, at most ${MAX_GET_BYTES / 1024 ** 2} MiB`)
    .argument('<session>', 'id of the session', sessionIdOf)
    .argument('<path>', `path in the sandbox, absolute or below ${ROOT}`, sandboxPath)
    .argument(
      '[file]',
      'file to write; must not exist; "-": standard output, to a terminal as text without control characters (default: the same name, here)',
    )
    .option(...WAKE, false)
    .action((sessionId: string, path: string, file: string | undefined, { wake }: { wake: boolean }) =>
      withSandbox(context, sessionId, wake, async ({ envd, sandboxId }) => {
        const to = file ?? basename(path);
        const bytes = await notFoundAs(`Sandbox ${sandboxId} has no file ${path}`, () =>
          envd.read(path, USER, MAX_GET_BYTES, (content) => writeNew(to, content)),
        );
        if (to !== '-')
          context
            .output()
            .result({ sandboxId, path, file: to, bytes }, () => `${to}: ${counted(bytes, 'byte')}`);
      }),
    );
  files
    .command('put')
    .description(
      `copy a file into the sandbox, at most ${MAX_PUT_BYTES / 1024 ** 2} MiB; replaces what is there`,
    )
    .argument('<session>', 'id of the session', sessionIdOf)
    .argument('<file>', 'file to read')
    .argument(
      '[path]',
      `path in the sandbox, absolute or below ${ROOT} (default: the same name in ${ROOT})`,
      sandboxPath,
    )
    .option(...WAKE, false)
    .action((sessionId: string, file: string, path: string | undefined, { wake }: { wake: boolean }) =>
      putFile(context, sessionId, file, path ?? sandboxPath(basename(file)), wake),
    );
}

async function putFile(
  context: CommandContext,
  sessionId: string,
  file: string,
  path: string,
  wake: boolean,
): Promise<void> {
  const info = await stat(file).catch(() => null);
  if (!info?.isFile()) throw new CommandError(`There is no file ${file}`, EXIT.usage);
  if (info.size > MAX_PUT_BYTES)
    throw new CommandError(
      `${file} has ${info.size} bytes; at most ${MAX_PUT_BYTES} can be copied`,
      EXIT.refused,
    );
  const content = await readFile(file);
  await withSandbox(context, sessionId, wake, async ({ envd, sandboxId }) => {
    await envd.write(path, content, USER);
    const bytes = content.length;
    context.output().result({ sandboxId, path, file, bytes }, () => `${path}: ${counted(bytes, 'byte')}`);
  });
}

/** For commander: a path below the session's folder. @throws InvalidArgumentError */
export function sandboxPath(text: string): string {
  const path = posix.resolve(ROOT, text);
  if (text.includes('\0') || text.endsWith('/') || !path.startsWith(`${ROOT}/`))
    throw new InvalidArgumentError(`Give the path of a file below ${ROOT}.`);
  return path;
}

/** Text for a terminal, without control characters. @throws CommandError at the first byte that no text has */
async function* forTerminal(content: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of content) {
    if (chunk.includes(0))
      throw new CommandError(
        'This is no text, and is not written to a terminal: name a file instead of "-", or redirect the output (> FILE)',
        EXIT.refused,
      );
    yield clean(decoder.decode(chunk, { stream: true }));
  }
}

/** Writes a file that did not exist; one that is not complete is removed. @returns its bytes */
async function writeNew(to: string, content: AsyncIterable<Buffer>): Promise<number> {
  if (to === '-') {
    const shown = process.stdout.isTTY ? forTerminal(content) : content;
    await pipeline(Readable.from(shown, { objectMode: false }), process.stdout, { end: false });
    return process.stdout.bytesWritten;
  }
  const file = createWriteStream(to, { flags: 'wx', mode: 0o600 });
  try {
    await pipeline(Readable.from(content, { objectMode: false }), file);
    return file.bytesWritten;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'EEXIST') throw new CommandError(`${to} exists already; name another file`, EXIT.refused);
    // `pending`: it was never opened, so that nothing is there to be removed.
    if (!file.pending) await rm(to, { force: true });
    throw error;
  }
}

async function notFoundAs<Result>(message: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SandboxHttpError && error.status === 404)
      throw new CommandError(message, EXIT.notFound);
    throw error;
  }
}
