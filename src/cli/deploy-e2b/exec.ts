// `deploy e2b exec`: runs a command of this program in the router's sandbox, with the router's own keys and database.
import { CommandExitError } from 'e2b';
import { HOME_FOLDER } from '../../inside-e2b/layout.ts';
import type { CommandContext } from '../command.ts';
import { clean } from '../output.ts';
import { explainE2BError } from '../setup/templates.ts';
import { connectRouter, LAYOUT, oneRouter, quote } from './router-sandbox.ts';
import { type TargetOptions, targetOf } from './target.ts';

export interface ExecOptions extends TargetOptions {
  sandbox?: string;
}

const MAIN = `${LAYOUT.current}/node_modules/managed-agents-router/dist/src/main.js`;
const WITHIN_MS = 10 * 60_000;

/** What the command writes goes where this one writes, and its exit code is this one's. */
export async function execInside(
  context: CommandContext,
  args: readonly string[],
  options: ExecOptions,
): Promise<void> {
  const target = targetOf(context, options);
  const router = await oneRouter(target, options.sandbox);
  const sandbox = await connectRouter(target, router.sandboxId);
  const json = context.output().json ? ['--json'] : [];
  const words = ['inside-e2b', '--folder', HOME_FOLDER, 'exec', '--', ...json, ...args];
  try {
    const { exitCode } = await sandbox.commands.run(`node ${quote(MAIN)} ${words.map(quote).join(' ')}`, {
      cwd: LAYOUT.data,
      timeoutMs: WITHIN_MS,
      onStdout: (text) => void process.stdout.write(clean(text)),
      onStderr: (text) => void process.stderr.write(clean(text)),
    });
    context.end(exitCode);
  } catch (error) {
    if (!(error instanceof CommandExitError)) throw explainE2BError(error);
    context.end(error.exitCode);
  }
}
