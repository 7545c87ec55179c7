// `inside-e2b`: runs the router in its own E2B sandbox. The template's start command calls it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { BoundedLog } from '../inside-e2b/bounded-log.ts';
import { webhookVariables, workerVariables } from '../inside-e2b/child-variables.ts';
import { readKeyFiles } from '../inside-e2b/key-files.ts';
import { HOME_FOLDER, type Layout, layoutIn, PORTS } from '../inside-e2b/layout.ts';
import { stayAwake } from '../inside-e2b/stay-awake.ts';
import { supervise } from '../inside-e2b/supervisor.ts';
import { createLogger } from '../log.ts';
import { untilInterrupted } from '../until-interrupted.ts';
import { type CommandContext, EXIT } from './command.ts';

export function addInsideE2BCommand(program: Command, context: CommandContext): void {
  const inside = program
    .command('inside-e2b')
    .description('run everything in one E2B sandbox, with keys from files; `deploy e2b` makes that sandbox')
    .option('--folder <path>', 'folder with config and data', HOME_FOLDER)
    .option('--port <n>', 'port of the webhook server', port, PORTS.webhook)
    .option('--temporal-port <n>', 'port of the Temporal server', port, PORTS.temporal)
    .action(() => run(layoutOf(inside), context));
  inside
    .command('exec')
    .description('run a command of this program with the keys and the database of the router here')
    .argument('<command...>', 'command and its options, after --')
    .action(async (args: string[]) => {
      const layout = layoutOf(inside);
      const { variables } = readKeyFiles(layout);
      const env = { ...webhookVariables(variables, layout), ...workerVariables(variables, layout) };
      const child = spawn(process.execPath, [...process.execArgv, SCRIPT, ...args], {
        env,
        stdio: 'inherit',
      });
      // A terminal sends its interrupt to both processes.
      process.on('SIGINT', () => undefined);
      process.on('SIGTERM', () => child.kill('SIGTERM'));
      const [code] = await once(child, 'close');
      context.end(code ?? EXIT.failed);
    });
}

const SCRIPT = process.argv[1] ?? '';

function layoutOf(command: Command): Layout {
  const { folder, port, temporalPort } = command.opts<{
    folder: string;
    port: number;
    temporalPort: number;
  }>();
  return layoutIn(folder, { webhook: port, temporal: temporalPort });
}

function port(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= 65_535) return value;
  throw new InvalidArgumentError('It must be a port.');
}

async function run(layout: Layout, context: CommandContext): Promise<void> {
  for (const each of [layout.config, layout.data]) mkdirSync(each, { recursive: true, mode: 0o700 });
  const stop = new AbortController();
  void untilInterrupted().then(() => stop.abort());
  const log = createLogger('info', [], new BoundedLog(layout.logs.supervisor));
  try {
    const program = [process.execPath, ...process.execArgv, SCRIPT] as [string, ...string[]];
    await supervise({ layout, program, log, stayAwake }, stop.signal);
  } catch (error) {
    log.fatal({ err: error }, 'the router ends and is started again');
    context.end(EXIT.failed);
  }
}
