// `deploy e2b logs`: the router's logs in its sandbox.
import { CommandExitError } from 'e2b';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { clean } from '../output.ts';
import { explainE2BError } from '../setup/templates.ts';
import { connectRouter, LAYOUT, oneRouter, quote } from './router-sandbox.ts';
import { type TargetOptions, targetOf } from './target.ts';

export const LOGS = {
  webhook: LAYOUT.logs.webhook,
  worker: LAYOUT.logs.worker,
  supervisor: LAYOUT.logs.supervisor,
  temporal: `${LAYOUT.data}/temporal.log`,
} as const;

export interface LogsOptions extends TargetOptions {
  sandbox?: string;
  lines: number;
  follow?: boolean;
  wake?: boolean;
}

/** @param names logs to show; none: those of the webhook server and the worker */
export async function showLogs(
  context: CommandContext,
  names: readonly (keyof typeof LOGS)[],
  options: LogsOptions,
  signal: AbortSignal,
): Promise<void> {
  const target = targetOf(context, options);
  const router = await oneRouter(target, options.sandbox);
  if (router.state !== 'running' && !options.wake)
    throw new CommandError(
      `The router in the sandbox ${router.sandboxId} sleeps: add --wake to wake it and read its logs`,
      EXIT.refused,
    );
  const output = context.output();
  const sandbox = await connectRouter(target, router.sandboxId);
  const chosen = names.length > 0 ? names : (['webhook', 'worker'] as const);
  const follow = options.follow ? '-F' : '';
  const files = chosen.map((name) => quote(LOGS[name])).join(' ');
  let rest = '';
  const onStdout = (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) output.line({ line: clean(line) }, () => clean(line));
  };
  try {
    // In the place of the shell: it is this process that an interrupt kills.
    const command = await sandbox.commands.run(
      `exec tail -n ${options.lines} ${follow} ${files} 2>/dev/null`,
      { background: true, timeoutMs: options.follow ? 0 : 60_000, onStdout },
    );
    const interrupt = () => void command.kill().catch(() => undefined);
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
    await command.wait();
  } catch (error) {
    // A log that is not there yet is no failure.
    if (!signal.aborted && !(error instanceof CommandExitError)) throw explainE2BError(error);
  }
  if (rest) onStdout('\n');
}
