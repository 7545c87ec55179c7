// `send`: gives the configured agent a message and follows the turn to its answer.
import type Anthropic from '@anthropic-ai/sdk';
import type { Command } from 'commander';
import { ENVIRONMENT } from '../../config/environment-settings.ts';
import { type CommandSettings, loadCommandSettings } from '../../config.ts';
import { routerCommand } from '../../program-name.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { clean, type Output } from '../output.ts';
import { anthropicClient, askAnthropic, idOf } from './clients.ts';
import { eventsSoFar, followTurn, type TurnEnd } from './follow-turn.ts';
import { whileNotInterrupted } from './interrupt.ts';
import { TurnProgress } from './turn-events.ts';

interface SendOptions {
  session?: string;
  environment?: string;
  agent?: string;
}

const KEY = 'ANTHROPIC_API_KEY';

export function addSendCommand(program: Command, context: CommandContext): void {
  program
    .command('send')
    .description('send a message to the agent and follow its turn to the answer')
    .argument('<text>', 'the message')
    .option('--session <id>', 'follow up in this session instead of opening a new one')
    .option('--environment <id>', 'environment of the new session, if several are configured')
    .option('--agent <id>', 'agent of the new session (default: the agent of the environment)')
    .addHelpText(
      'after',
      `\nNeeds ${KEY}. The exit code tells how the turn ended: 0 answered, 1 ended without an answer or the session is over,\n4 a call waits for approval and there is no terminal to wait at, 130 interrupted; the session goes on.`,
    )
    .action((text: string, options: SendOptions) =>
      whileNotInterrupted(async (signal) => context.end(await send(text, options, context, signal))),
    );
}

async function send(
  text: string,
  options: SendOptions,
  context: CommandContext,
  signal: AbortSignal,
): Promise<number> {
  const output = context.output();
  if (text.trim() === '') throw new CommandError('The message is empty', EXIT.usage);
  const settings = loadCommandSettings(context.environment());
  const client = anthropicClient(settings, organizationKey(settings, 'send'));
  const opened = options.session
    ? await followUp(client, options.session, text)
    : await openSession(client, text, target(settings, options));
  output.progress(`session ${opened.sessionId}`);
  const shown = new TurnProgress((line) => output.progress(`  ${line}`));
  const end = await followTurn({
    client,
    variable: KEY,
    ...opened,
    waitForApprovals: output.interactive,
    onEvent: (event) => shown.add(event),
    onWaiting: (ids) => {
      shown.flush();
      announceApprovals(output, opened.sessionId, ids);
    },
    signal,
  });
  if (end.how !== 'answered') shown.flush();
  output.result({ sessionId: opened.sessionId, ...end }, () => conclusion(opened.sessionId, end));
  return end.how === 'answered' ? EXIT.done : end.how === 'approval' ? EXIT.refused : EXIT.failed;
}

/** @throws CommandError if no key is set */
export function organizationKey({ apiKey }: CommandSettings, command: string): string {
  if (apiKey) return apiKey;
  throw new CommandError(
    `${KEY} is not set: ${command} needs an API key of your organisation. Create one at https://platform.claude.com/settings/keys and set ${KEY}, for example in .env`,
    EXIT.usage,
  );
}

/** Opens a session with its first message in one request, so that an interruption leaves no empty session behind. */
export async function openSession(
  client: Anthropic,
  text: string,
  { environment, agent }: { environment: string; agent: string },
): Promise<{ sessionId: string; known: Set<string> }> {
  const session = await askAnthropic(KEY, `agent ${agent} or environment ${environment}`, () =>
    client.beta.sessions.create(
      { agent, environment_id: environment, initial_events: [message(text)] },
      // A retry could open a second session.
      { maxRetries: 0 },
    ),
  );
  return { sessionId: idOf(session, 'a new session'), known: new Set() };
}

async function followUp(client: Anthropic, sessionId: string, text: string) {
  const known = await eventsSoFar({ client, variable: KEY, sessionId });
  const { data } = await askAnthropic(KEY, `session ${sessionId}`, () =>
    // A retry could send the message twice.
    client.beta.sessions.events.send(sessionId, { events: [message(text)] }, { maxRetries: 0 }),
  );
  const messageId = data?.[0]?.id;
  return { sessionId, known, ...(messageId ? { messageId } : {}) };
}

function message(text: string) {
  return { type: 'user.message' as const, content: [{ type: 'text' as const, text }] };
}

/** @throws CommandError that names the option or setting that is missing */
function target({ environments }: CommandSettings, options: SendOptions) {
  const chosen = options.environment
    ? (environments.find(({ id }) => id === options.environment) ?? {
        id: options.environment,
        agent: undefined,
      })
    : environments[0];
  if (!options.environment && environments.length > 1 && !options.agent)
    throw new CommandError(
      'Several environments are configured: choose one with --environment ID',
      EXIT.usage,
    );
  if (!chosen?.id)
    throw new CommandError(
      `No environment is configured: run setup, or set ${ENVIRONMENT.id.variable}`,
      EXIT.usage,
    );
  const agent = options.agent ?? chosen.agent;
  if (!agent)
    throw new CommandError(
      `Environment ${chosen.id} has no agent: run setup, set ${ENVIRONMENT.agent.variable}, or add --agent ID`,
      EXIT.usage,
    );
  return { environment: chosen.id, agent };
}

function announceApprovals(output: Output, sessionId: string, ids: string[]): void {
  output.progress(
    `${ids.length === 1 ? 'A call waits' : `${ids.length} calls wait`} for approval. In another terminal:`,
  );
  for (const id of ids) output.progress(`  ${routerCommand(`approvals allow ${sessionId} --call ${id}`)}`);
}

function conclusion(sessionId: string, { how, reason, answer, approvals }: TurnEnd): string {
  if (how === 'answered') return clean(answer) || '(the agent ended its turn without a message)';
  if (how === 'approval')
    return `The turn waits for approval of ${approvals.join(', ')}: ${routerCommand(`approvals allow ${sessionId}`)}`;
  if (how === 'ended') return `The session is over (${reason}): a new one starts without --session`;
  return `The turn ended without an answer (${reason}): ${routerCommand(`sessions show ${sessionId}`)}`;
}
