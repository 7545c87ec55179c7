// Opens the sandbox of a session for a command. A paused sandbox is woken only where the person asks for it.
import { AuthenticationError, NotFoundError, SandboxError } from 'e2b';
import { createE2B, type E2BClient } from '../../clients/e2b.ts';
import type { Envd } from '../../clients/envd.ts';
import { SandboxHttpError } from '../../clients/sandbox-http.ts';
import { loadE2BSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { withTemporal } from '../temporal.ts';
import { gather } from './gather.ts';

/** A sandbox that was woken pauses by itself after this time, unless its session uses it. */
const AWAKE_MS = 120_000;

export interface OpenSandbox {
  sandboxId: string;
  envd: Envd;
}

/**
 * Runs a command's work with the running sandbox of a session.
 * @param wake whether a paused sandbox may be woken
 * @throws CommandError if the session has no sandbox, or it is paused and may not be woken
 */
export async function withSandbox<Result>(
  context: CommandContext,
  sessionId: string,
  wake: boolean,
  work: (open: OpenSandbox) => Promise<Result>,
): Promise<Result> {
  const { e2b: settings } = loadE2BSettings(context.environment());
  const e2b = createE2B({ e2b: settings as Parameters<typeof createE2B>[0]['e2b'] });
  const sandboxId = await withTemporal(context, async (temporal) => {
    const { attributes } = await gather(temporal, sessionId);
    return attributes.sandboxId;
  });
  if (!sandboxId)
    throw new CommandError(
      `Session ${sessionId} has no sandbox: none was needed yet, or it was lost or killed. The next tool call starts one`,
      EXIT.refused,
    );
  try {
    const sandbox = await open(e2b, sessionId, sandboxId, wake);
    return await work({ sandboxId, envd: e2b.envd(sandbox) });
  } catch (error) {
    throw explain(error, sandboxId);
  }
}

async function open({ Sandbox }: E2BClient, sessionId: string, sandboxId: string, wake: boolean) {
  const { state } = await Sandbox.getInfo(sandboxId);
  if (state !== 'running' && !wake)
    throw new CommandError(
      `Sandbox ${sandboxId} of session ${sessionId} is paused. --wake resumes it for two minutes, which E2B charges`,
      EXIT.refused,
    );
  return Sandbox.connect(sandboxId, { timeoutMs: AWAKE_MS });
}

function explain(error: unknown, sandboxId: string): unknown {
  if (error instanceof AuthenticationError)
    return new CommandError('E2B refuses the API key; check E2B_API_KEY', EXIT.unreachable);
  if (error instanceof NotFoundError)
    return new CommandError(`E2B has no sandbox ${sandboxId} any more; its files are lost`, EXIT.notFound);
  if (error instanceof SandboxHttpError || error instanceof SandboxError)
    return new CommandError(`Sandbox ${sandboxId} cannot be used: ${error.message}`, EXIT.unreachable);
  return error;
}
