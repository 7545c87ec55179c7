// `setup`: from nothing to a message that was answered with the output of a command in a sandbox.
import { type Command, InvalidArgumentError } from 'commander';
import { agentId, environmentId, url } from '../../config/kinds.ts';
import { routerCommand } from '../../program-name.ts';
import type { CommandContext } from '../command.ts';
import type { Output } from '../output.ts';
import { wrap } from '../wrap.ts';
import { DEFAULT_MODEL } from './agent-prompt.ts';
import { Dialog } from './dialog.ts';
import { whileNotInterrupted } from './interrupt.ts';
import { Run, type SetupOptions, type SetupResult } from './run.ts';
import type { Step } from './step.ts';
import { smoke } from './step-smoke.ts';
import { agent, environment, environmentKey, organizationKey } from './steps-anthropic.ts';
import { e2bKey, template } from './steps-e2b.ts';
import { files, webhook } from './steps-files.ts';

const STEPS: readonly Step[] = [
  e2bKey,
  organizationKey,
  template,
  environment,
  agent,
  environmentKey,
  webhook,
  files,
  smoke,
];

export function addSetupCommand(program: Command, context: CommandContext): void {
  program
    .command('setup')
    .description('set everything up, from the keys to a first answered message; may be run again at any time')
    .option('--plan', 'show what would be done, and do nothing')
    .option('-y, --yes', 'ask nothing: say what is missing and end')
    .option(
      '--environment <id>',
      'use this self-hosted environment instead of creating one',
      valid(environmentId),
    )
    .option('--agent <id>', 'use this agent instead of creating one', valid(agentId))
    .option('--model <name>', 'model of the agent that is created', DEFAULT_MODEL)
    .option('--webhook-url <url>', 'public address of the webhook server', valid(url))
    .option('--rebuild', 'build the template even if it is there')
    .option('--no-save-keys', 'do not copy keys from variables of this shell to .env')
    .option('--no-smoke', 'send no message at the end')
    .addHelpText(
      'after',
      '\nKeys are read from variables, .env or prompts: E2B_API_KEY, ANTHROPIC_API_KEY (creates things, sends the message),\nANTHROPIC_ENVIRONMENT_KEY, ANTHROPIC_WEBHOOK_SIGNING_KEY. They are never options, which other users of the machine can see.',
    )
    .action(({ plan = false, yes = false, ...options }: SetupOptions & { plan?: boolean; yes?: boolean }) =>
      whileNotInterrupted((signal) => setup(context, options, { plan, yes }, signal)),
    );
}

async function setup(
  context: CommandContext,
  options: SetupOptions,
  { plan, yes }: { plan: boolean; yes: boolean },
  signal: AbortSignal,
): Promise<void> {
  const output = context.output();
  const dialog = new Dialog(output, yes || plan);
  const run = new Run(context, dialog, options, signal);
  if (plan) return showPlan(run, output);
  dialog.begin('managed-agents-router setup');
  for (const step of STEPS) {
    signal.throwIfAborted();
    const done = await step.bring(run);
    if (done) dialog.done(done);
  }
  dialog.end(nextSteps(run.result));
  if (output.json) output.result(run.result, () => '');
}

async function showPlan(run: Run, output: Output): Promise<void> {
  const rows: { step: string; todo: string | null }[] = [];
  for (const step of STEPS) rows.push({ step: step.name, todo: (await step.plan(run)) ?? null });
  output.result({ plan: rows }, () =>
    rows
      .map(({ step, todo }) => {
        const line = `${step.padEnd(NAME_WIDTH)}${todo ?? 'there already'}`;
        return output.style(todo ? 'yellow' : 'green', hang(line, output.width));
      })
      .join('\n'),
  );
}

const NAME_WIDTH = 18;

/** Breaks a line so that what follows the step's name stays in its column. */
function hang(line: string, width: number): string {
  const text = wrap(line.slice(NAME_WIDTH), width - NAME_WIDTH);
  return line.slice(0, NAME_WIDTH) + text.replaceAll('\n', `\n${' '.repeat(NAME_WIDTH)}`);
}

function nextSteps({ smoke, agentId }: SetupResult): string {
  const state = smoke ? 'Everything works.' : 'Everything is set up; no message was sent.';
  const send = agentId ? `, then in another terminal: ${routerCommand('send "Hello"')}` : '';
  return `${state} Next: ${routerCommand('start')}${send}`;
}

/** For commander: accepts what the setting of this kind accepts. */
function valid({
  schema,
  what,
}: {
  schema: { safeParse(value: unknown): { success: boolean } };
  what: string;
}) {
  return (value: string): string => {
    if (schema.safeParse(value).success) return value;
    throw new InvalidArgumentError(`It must be ${what}.`);
  };
}
