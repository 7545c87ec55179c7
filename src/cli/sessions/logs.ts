// `sessions logs ID`: the log of the toolhost in a session's sandbox. The model can write that file: nothing in it is
// trusted.
import { type Command, InvalidArgumentError } from 'commander';
import { SandboxHttpError } from '../../clients/sandbox-http.ts';
import type { CommandContext } from '../command.ts';
import { clean, cut } from '../output.ts';
import { sessionIdOf } from './ids.ts';
import { type OpenSandbox, withSandbox } from './sandbox-access.ts';

/** `DEFAULTS.log` in toolhost/config.ts; the toolhost renames a full file to `.1`. */
const LOG = '/var/log/toolhost/worker.log';
/** The toolhost begins a new file at 1 MiB. */
const MAX_BYTES = 4 * 1024 * 1024;
const USER = 'user';
const MOST_LINES = 10_000;
const LINE_CHARS = 500;

export function addLogsCommand(sessions: Command, context: CommandContext): void {
  sessions
    .command('logs')
    .description("print worker.log of the session's sandbox: what its toolhost did")
    .argument('<session>', 'id of the session', sessionIdOf)
    .option('-n, --lines <count>', 'how many of the last lines', parseLines, 100)
    .option('--wake', 'resume the sandbox if it is paused', false)
    .action((sessionId: string, { lines: count, wake }: { lines: number; wake: boolean }) =>
      withSandbox(context, sessionId, wake, async (open) => {
        const current = await linesOf(open, LOG);
        const older = current.length < count ? await linesOf(open, `${LOG}.1`) : [];
        const lines = [...older, ...current].slice(-count).map((line) => cut(clean(line), LINE_CHARS));
        context
          .output()
          .result({ sandboxId: open.sandboxId, lines }, () =>
            lines.length > 0
              ? lines.map(readable).join('\n')
              : `${LOG} of ${open.sandboxId} is empty or missing.`,
          );
      }),
    );
}

async function linesOf({ envd }: OpenSandbox, path: string): Promise<string[]> {
  try {
    const chunks: Buffer[] = [];
    await envd.read(path, USER, MAX_BYTES, async (content) => {
      for await (const chunk of content) chunks.push(chunk);
    });
    const text = Buffer.concat(chunks).toString('utf8');
    return text.split('\n').filter((line) => line !== '');
  } catch (error) {
    if (error instanceof SandboxHttpError && error.status === 404) return [];
    throw error;
  }
}

/** `{"at":…,"event":…,"call":…}` as `time  event  call=…`; any other line as it is. */
function readable(line: string): string {
  try {
    const { at, event, ...fields } = JSON.parse(line) as Record<string, unknown>;
    if (typeof at !== 'string' || typeof event !== 'string') return line;
    const rest = Object.entries(fields).map(
      ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
    return clean([at, event, ...rest].join('  ')).replaceAll('\n', ' ');
  } catch {
    return line;
  }
}

function parseLines(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MOST_LINES)
    throw new InvalidArgumentError(`Give a number from 1 to ${MOST_LINES}.`);
  return count;
}
