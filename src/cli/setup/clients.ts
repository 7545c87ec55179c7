// Clients of Anthropic for commands, and what their errors mean for the person who runs a command.
import Anthropic, { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import type { CommandSettings } from '../../config.ts';
import { CommandError, EXIT } from '../command.ts';

const TIMEOUT_MS = 20_000;
/** The SDK pauses between attempts, up to 8 s; together they bridge a restart of the service. */
const MAX_RETRIES = 4;

/** @param credential the key of the organisation or of an environment */
export function anthropicClient(
  { baseUrl }: Pick<CommandSettings, 'baseUrl'>,
  credential: string,
): Anthropic {
  // The service takes keys of environments as bearer tokens, and API keys in a header of their own.
  const isEnvironmentKey = credential.startsWith('sk-ant-oat');
  return new Anthropic({
    authToken: isEnvironmentKey ? credential : null,
    apiKey: isEnvironmentKey ? null : credential,
    ...(baseUrl ? { baseURL: baseUrl } : {}),
    fetch: fetchJson,
    maxRetries: MAX_RETRIES,
    timeout: TIMEOUT_MS,
  });
}

/** A page of a proxy or of a network that wants a login would be read like an answer without content. */
const fetchJson: typeof fetch = async (...request) => {
  const answer = await fetch(...request);
  const type = answer.headers.get('content-type') ?? '';
  if (!answer.ok || answer.status === 204 || type.includes('json')) return answer;
  await answer.body?.cancel();
  throw new TypeError(
    `it answers with ${/^[\w/+-]{1,60}/.exec(type)?.[0] ?? 'no content type'} instead of JSON`,
  );
};

/**
 * Runs requests to Anthropic and turns a failure into an error that names what to change.
 * @param variable the variable that holds the credential
 * @param what completes the sentence "Anthropic knows no …" for a 404
 * @throws CommandError
 */
export async function askAnthropic<T>(
  variable: string,
  what: string,
  request: () => PromiseLike<T>,
): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw explainAnthropicError(error, variable, what);
  }
}

/**
 * The id in an answer to a creation. What answers in the service's place may send anything.
 * @param what as for `askAnthropic`
 * @throws CommandError if there is none
 */
export function idOf(answer: unknown, what: string): string {
  const id = (answer as { id?: unknown } | null | undefined)?.id;
  if (typeof id === 'string' && /^[\w-]{1,128}$/.test(id)) return id;
  throw nonsense(`its answer about ${what} has no id`);
}

/** For answers that cannot come from the service. @param how completes "Anthropic is not understood: …" */
export function nonsense(how: string): CommandError {
  return new CommandError(
    `Anthropic is not understood: ${how}. Check ANTHROPIC_BASE_URL, and a proxy that may answer in its place`,
    EXIT.unreachable,
  );
}

function explainAnthropicError(error: unknown, variable: string, what: string): unknown {
  if (error instanceof APIUserAbortError || !(error instanceof APIError)) return error;
  const { status } = error;
  if (error instanceof APIConnectionError || status === undefined)
    return new CommandError(
      `Anthropic cannot be reached (${reasonOf(error)}). Check the network, a proxy and ANTHROPIC_BASE_URL`,
      EXIT.unreachable,
    );
  if (status === 401 || status === 403)
    return new CommandError(
      `Anthropic refuses the key in ${variable} for ${what} (${status}): it is wrong, revoked, or belongs to another organisation, workspace or environment. Set ${variable} to a key that is valid there`,
      EXIT.unreachable,
    );
  if (status === 404)
    return new CommandError(
      `Anthropic knows no ${what}. Check the id and the key in ${variable}`,
      EXIT.notFound,
    );
  if (status === 429 || status >= 500)
    return new CommandError(
      `Anthropic does not answer for ${what} at present (${status}). Run the command again later`,
      EXIT.unreachable,
    );
  return new CommandError(`Anthropic refuses ${what} (${status}): ${messageOf(error)}`, EXIT.refused);
}

/** The SDK itself only says that there was an error. */
function reasonOf({ cause, message }: APIError): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return (inner instanceof Error && inner.message ? inner.message : message).slice(0, 200);
}

function messageOf({ error, message }: APIError): string {
  const inner = (error as { error?: { message?: unknown } } | undefined)?.error?.message;
  return typeof inner === 'string' ? inner.slice(0, 500) : message.slice(0, 500);
}
