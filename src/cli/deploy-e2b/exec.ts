// `deploy e2b exec`: runs a command of this program in the router's sandbox, with the router's own keys and database.
import { CommandExitError } from 'e2b';
import { HOME_FOLDER } from '../../inside-e2b/layout.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { clean } from '../output.ts';
import { explainE2BError } from '../setup/templates.ts';
import { connectRouter, LAYOUT, oneRouter, quote } from './router-sandbox.ts';
import { type TargetOptions, targetOf } from './target.ts';

export interface ExecOptions extends TargetOptions {
  sandbox?: string;
}

const MAIN = `${LAYOUT.current}/node_modules/managed-agents-router/dist/src/main.js`;
const WITHIN_MS = 10 * 60_000;

const THIS_MACHINE = 'is about keys and files of this machine: run it without "deploy e2b exec"';
const SERVER = 'would start another server in the sandbox, whose ports the internet reaches';
const COPIES =
  "copies from or to the router's sandbox, not this machine: use E2B's SDK or command line with the sandbox that " +
  '"deploy e2b exec -- sandboxes list" names';

/** Commands that do something else in the sandbox than a person means, and what that is. */
const REFUSED: Record<string, string> = {
  setup: THIS_MACHINE,
  teardown: THIS_MACHINE,
  send: THIS_MACHINE,
  deploy: THIS_MACHINE,
  start: SERVER,
  webhook: SERVER,
  worker: SERVER,
  'inside-e2b': SERVER,
  'codec-server': SERVER,
  'sessions files put': COPIES,
  'sessions files get': `${COPIES}. With "-" as its last argument it prints a text`,
};

/** What the command writes goes where this one writes, and its exit code is this one's. An interrupt ends it, too. */
export async function execInside(
  context: CommandContext,
  args: readonly string[],
  options: ExecOptions,
  signal: AbortSignal,
): Promise<void> {
  refuse(args);
  const target = targetOf(context, options);
  const router = await oneRouter(target, options.sandbox);
  const sandbox = await connectRouter(target, router.sandboxId);
  const json = context.output().json ? ['--json'] : [];
  const words = ['inside-e2b', '--folder', HOME_FOLDER, 'exec', '--', ...json, ...args];
  try {
    const line = `exec node ${quote(MAIN)} ${words.map(quote).join(' ')}`;
    const command = await sandbox.commands.run(line, {
      background: true,
      cwd: LAYOUT.data,
      timeoutMs: WITHIN_MS,
      onStdout: (text) => void process.stdout.write(clean(text)),
      onStderr: (text) => void process.stderr.write(clean(text)),
    });
    const interrupt = () => void sandbox.commands.run(`kill -TERM ${command.pid}`).catch(() => undefined);
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
    const { exitCode } = await command.wait();
    context.end(exitCode);
  } catch (error) {
    if (!(error instanceof CommandExitError)) throw explainE2BError(error);
    context.end(error.exitCode);
  }
  signal.throwIfAborted();
}

/** @throws CommandError */
function refuse(args: readonly string[]): void {
  const isOption = (each: string | undefined) => each !== undefined && /^-./.test(each);
  const isFile = (index: number) => ['-c', '--config'].includes(args[index - 1] ?? '');
  const words = args.filter((each, index) => !isOption(each) && !isFile(index));
  const found = [1, 3].map((count) => words.slice(0, count).join(' ')).find((name) => REFUSED[name]);
  if (found === undefined || (found === 'sessions files get' && words.at(-1) === '-')) return;
  throw new CommandError(`"${found}" ${REFUSED[found]}`, EXIT.usage);
}
