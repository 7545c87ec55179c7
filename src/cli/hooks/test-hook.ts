// `hooks test`: calls the owner's hook once, with the settings of the worker.
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { HookMessage } from '../../../workflows/messages.ts';
import { HookFailed, postToHook } from '../../clients/hook.ts';
import { loadHookConfig } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';

export function addTestHookCommand(hooks: Command, context: CommandContext): void {
  hooks
    .command('test')
    .description('send a signed test message to HOOK_URL and print the status of the answer')
    .action(async () => {
      const hook = loadHookConfig(context.environment());
      if (!hook)
        throw new CommandError(
          'No hook is configured: set HOOK_URL (hook.url) and HOOK_SECRET (hook.secret)',
          EXIT.usage,
        );
      const id = `test-${randomUUID()}`;
      const message: HookMessage = { id, timestamp: new Date().toISOString(), type: 'hook.test', data: {} };
      try {
        const status = await postToHook(hook, message);
        context
          .output()
          .result({ id, status }, () => `The hook took the test message ${id}: it answers ${status}.`);
      } catch (error) {
        if (error instanceof HookFailed) throw new CommandError(error.message, EXIT.unreachable);
        throw error;
      }
    });
}
