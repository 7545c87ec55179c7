// `inside-e2b`: runs the router in its own E2B sandbox. The template's start command calls it.
import { mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { BoundedLog } from '../inside-e2b/bounded-log.ts';
import { layoutIn, ROUTER_FOLDER } from '../inside-e2b/layout.ts';
import { supervise } from '../inside-e2b/supervisor.ts';
import { createLogger } from '../log.ts';
import { untilInterrupted } from '../until-interrupted.ts';
import { type CommandContext, EXIT } from './command.ts';

export function addInsideE2BCommand(program: Command, context: CommandContext): void {
  program
    .command('inside-e2b')
    .description('run everything in one E2B sandbox, with keys from files; `deploy e2b` makes that sandbox')
    .argument('[folder]', 'folder with config and data', ROUTER_FOLDER)
    .action(async (folder: string) => {
      const layout = layoutIn(folder);
      for (const each of [layout.config, layout.data]) mkdirSync(each, { recursive: true, mode: 0o700 });
      const stop = new AbortController();
      void untilInterrupted().then(() => stop.abort());
      const log = createLogger('info', [], new BoundedLog(layout.logs.router));
      try {
        const script = process.argv[1] ?? '';
        await supervise(
          { layout, program: [process.execPath, ...process.execArgv, script], log },
          stop.signal,
        );
      } catch (error) {
        log.fatal({ err: error }, 'the router ends and is started again');
        context.end(EXIT.failed);
      }
    });
}
