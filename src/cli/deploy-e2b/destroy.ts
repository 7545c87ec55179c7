// `deploy e2b destroy`: removes the router's sandbox with its database.
import type { SandboxInfo } from 'e2b';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { Dialog } from '../setup/dialog.ts';
import { findTemplate, killSandbox, removeTemplate } from '../setup/templates.ts';
import { findRouters, TEMPLATE_NAME, webhookUrl } from './router-sandbox.ts';
import { type Target, type TargetOptions, targetOf } from './target.ts';

export interface DestroyOptions extends TargetOptions {
  sandbox?: string;
  template?: boolean;
  plan?: boolean;
  yes?: boolean;
}

export async function destroy(
  context: CommandContext,
  options: DestroyOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = context.output();
  const dialog = new Dialog(output, options.yes === true);
  const target = targetOf(context, options);
  const routers = await findRouters(target);
  const chosen = options.sandbox ? routers.filter(({ sandboxId }) => sandboxId === options.sandbox) : routers;
  const template = options.template ? await findTemplate(target.e2b, TEMPLATE_NAME) : undefined;
  dialog.begin('managed-agents-router deploy e2b destroy');
  const result = {
    removed: [] as string[],
    webhooks: chosen.map((each) => webhookUrl(target, each.sandboxId)),
  };
  if (chosen.length === 0 && !template) dialog.end('There is nothing to remove.');
  else {
    dialog.instruct(announcement(target, chosen, template !== undefined));
    if (options.plan) dialog.end('Nothing was removed.');
    else {
      await confirm(dialog, options);
      for (const { sandboxId } of chosen) {
        signal.throwIfAborted();
        await killSandbox(target.e2b, sandboxId);
        result.removed.push(`sandbox ${sandboxId}`);
      }
      if (template) await removeTemplate(target.e2b, template.id);
      if (template) result.removed.push(`template ${TEMPLATE_NAME}`);
      dialog.end(`Removed: ${result.removed.join(', ')}`);
    }
  }
  if (output.json) output.result(result, () => '');
}

function announcement(target: Target, routers: readonly SandboxInfo[], withTemplate: boolean): string[] {
  return [
    'First, by hand, at https://platform.claude.com, Manage › Webhooks: delete the webhook',
    ...routers.map(({ sandboxId }) => `- ${webhookUrl(target, sandboxId)}`),
    'Anthropic would go on sending to an address where nothing answers.',
    'To be removed:',
    ...routers.map(
      ({ sandboxId, state }) =>
        `- sandbox ${sandboxId} (${state}): the router, its keys, and the database with all sessions' histories`,
    ),
    ...(withTemplate ? [`- template ${TEMPLATE_NAME}`] : []),
    'Sandboxes of tools and sessions at Anthropic stay. A router that is deployed later, with the same environment key, finds both again.',
  ];
}

async function confirm(dialog: Dialog, { yes }: DestroyOptions): Promise<void> {
  if (yes) return;
  if (!dialog.canAsk)
    throw new CommandError(
      'There is no terminal to confirm at: add --yes to remove all that is listed',
      EXIT.usage,
    );
  if (!(await dialog.confirm('Is the webhook deleted, and shall all of this be removed?', false)))
    throw new CommandError('Nothing was removed', EXIT.interrupted);
}
