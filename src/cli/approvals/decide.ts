// `approvals allow` and `approvals deny`: a person's decision, posted with the organisation's key. The session's own
// watch sees it like a decision in the Console.
import type Anthropic from '@anthropic-ai/sdk';
import { type Command, InvalidArgumentError } from 'commander';
import { loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { sessionIdOf } from '../sessions/ids.ts';
import { anthropicClient, askAnthropic } from '../setup/clients.ts';
import { type AskedCall, askedCalls, type Verdict } from './waiting-calls.ts';

const KEY = 'ANTHROPIC_API_KEY';
const REASON_CHARS = 2_000;
const DONE: Record<Verdict, string> = { allow: 'allowed', deny: 'denied' };

interface DecisionOptions {
  call?: string;
  all?: boolean;
  reason?: string;
}

export function addDecisionCommands(approvals: Command, context: CommandContext): void {
  const add = (verdict: Verdict, description: string) =>
    approvals
      .command(verdict)
      .description(description)
      .argument('<session>', 'id of the session', sessionIdOf)
      .option('--call <id>', 'the call; may be left out where only one waits')
      .option('--all', 'all calls of the session that wait now')
      .action((sessionId: string, options: DecisionOptions) => decide(context, verdict, sessionId, options));
  add('allow', 'allow a call that waits for an approval');
  add('deny', 'deny a call that waits for an approval; it never runs').option(
    '--reason <text>',
    'what the model reads',
    parseReason,
  );
}

async function decide(
  context: CommandContext,
  verdict: Verdict,
  sessionId: string,
  { call, all, reason }: DecisionOptions,
): Promise<void> {
  const settings = loadCommandSettings(context.environment());
  if (!settings.apiKey)
    throw new CommandError(
      `${KEY} is not set: an approval is posted with an API key of your organisation. Whether the key of an environment ` +
        'may post one is documented nowhere, so the router does not try. Set the key, or decide in the Console',
      EXIT.usage,
    );
  const client = anthropicClient(settings, settings.apiKey);
  const asked = await read(client, sessionId, call);
  const calls = choose(asked, sessionId, call, all === true);
  const decided: Awaited<ReturnType<typeof confirm>>[] = [];
  for (const each of calls) decided.push(await confirm(client, sessionId, each, verdict, reason));
  context
    .output()
    .result({ sessionId, verdict, calls: decided }, () =>
      decided
        .map(({ id, what, before }) => `${before ? 'Already' : 'Now'} ${DONE[verdict]}: ${what} (${id})`)
        .join('\n'),
    );
}

const read = (client: Anthropic, sessionId: string, call?: string): Promise<AskedCall[]> =>
  askAnthropic(KEY, `session ${sessionId}`, () => askedCalls(client, sessionId, call));

/** @throws CommandError where it is not clear which calls are meant */
function choose(asked: AskedCall[], sessionId: string, call: string | undefined, all: boolean): AskedCall[] {
  if (call !== undefined) {
    const meant = asked.find(({ id }) => id === call);
    if (meant) return [meant];
    throw new CommandError(
      `Session ${sessionId} has no call ${call} that needs an approval; "approvals list" shows those that wait`,
      EXIT.notFound,
    );
  }
  const waiting = asked.filter(({ state }) => state === 'waiting');
  if (waiting.length === 0)
    throw new CommandError(
      `No call of session ${sessionId} waits for an approval: it was decided meanwhile, or its turn is over`,
      EXIT.refused,
    );
  if (waiting.length === 1 || all) return waiting;
  const list = waiting.map(({ id, what }) => `  ${id}  ${what}`).join('\n');
  throw new CommandError(
    `${waiting.length} calls of session ${sessionId} wait for an approval; name one with --call, or give --all:\n${list}`,
    EXIT.usage,
  );
}

/**
 * Safe to repeat: a call that was decided in the same way is no error.
 * @throws CommandError if it was decided otherwise or waits no more
 */
async function confirm(
  client: Anthropic,
  sessionId: string,
  call: AskedCall,
  verdict: Verdict,
  reason: string | undefined,
): Promise<AskedCall & { before: boolean }> {
  if (call.state === verdict) return { ...call, before: true };
  if (call.state !== 'waiting') throw tooLate(sessionId, call);
  const confirmation = {
    type: 'user.tool_confirmation' as const,
    tool_use_id: call.id,
    result: verdict,
    ...(reason === undefined ? {} : { deny_message: reason }),
  };
  const send = () => client.beta.sessions.events.send(sessionId, { events: [confirmation] });
  try {
    await askAnthropic(KEY, `the decision about call ${call.id}`, send);
  } catch (error) {
    // The request may have taken effect although its answer says otherwise, and another person may have been faster.
    const [now] = (await read(client, sessionId, call.id)).filter(({ id }) => id === call.id);
    if (now?.state === verdict) return { ...now, before: true };
    if (now && now.state !== 'waiting') throw tooLate(sessionId, now);
    throw error;
  }
  return { ...call, state: verdict, before: false };
}

function tooLate(sessionId: string, { id, what, state }: AskedCall): CommandError {
  const why =
    state === 'closed'
      ? 'it no longer waits: its turn was interrupted or is over'
      : `it was ${DONE[state as Verdict]} meanwhile`;
  return new CommandError(
    `Call ${id} of session ${sessionId} (${what}) cannot be decided: ${why}. Only a call that waits for an approval can`,
    EXIT.refused,
  );
}

function parseReason(text: string): string {
  if (text.trim() === '' || text.length > REASON_CHARS)
    throw new InvalidArgumentError(`Give a reason of at most ${REASON_CHARS} characters.`);
  return text;
}
