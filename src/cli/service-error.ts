// What a failed request to a service means for the person who ran the command.
import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { isGrpcServiceError } from '@temporalio/client';
import { AuthenticationError, SandboxError } from 'e2b';
import { CommandError, EXIT } from './command.ts';

const MESSAGE_CHARS = 200;

/** @returns the error itself if it is from none of the services */
export function serviceError(error: unknown): unknown {
  const text = messageFor(error);
  return text === undefined ? error : new CommandError(text, EXIT.unreachable);
}

function messageFor(error: unknown): string | undefined {
  if (error instanceof APIConnectionError)
    return 'Anthropic cannot be reached: check the network and ANTHROPIC_BASE_URL';
  if (error instanceof APIError)
    return error.status === 401 || error.status === 403
      ? 'Anthropic refuses the key of the environment: check ANTHROPIC_ENVIRONMENT_KEY'
      : `Anthropic answers with status ${error.status}: try again later`;
  if (isGrpcServiceError(error)) return `Temporal does not answer as expected: ${error.details}`;
  if (error instanceof AuthenticationError) return 'E2B refuses the key: check E2B_API_KEY';
  if (error instanceof SandboxError) return `E2B does not answer as expected: ${error.message}`;
  // The SDK of E2B lets errors of fetch through.
  if (error instanceof TypeError && error.message === 'fetch failed')
    return 'E2B cannot be reached: check the network, E2B_DOMAIN and E2B_API_URL';
  if (error instanceof Error && isForeignAnswer(error))
    return (
      `A service has answered with something else than its API (${error.message.slice(0, MESSAGE_CHARS)}), or has broken off: ` +
      'check the network, a proxy, ANTHROPIC_BASE_URL and E2B_API_URL, or try again later'
    );
  return undefined;
}

/** Body that broke off, is no JSON, or has another shape than the SDKs rely on. */
function isForeignAnswer(error: Error): boolean {
  return (
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    ['ZodError', 'TimeoutError'].includes(error.name)
  );
}
