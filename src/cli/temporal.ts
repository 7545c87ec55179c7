// Connects a command to Temporal with the settings for Temporal alone. A command ends even where Temporal does not answer.
import {
  type ConnectionOptions,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { type DeploymentNames, namesOf } from '../../workflows/messages.ts';
import { connectTemporal, type Temporal, temporalFault } from '../clients/temporal.ts';
import { loadTemporalConfig } from '../config.ts';
import type { EncryptionConfig } from '../payload-codec/key-ring.ts';
import { type CommandContext, CommandError, EXIT } from './command.ts';

export interface TemporalAccess extends Temporal {
  namespace: string;
  /** `host:port` */
  address: string;
  /** Address of Temporal's UI, where the server is the embedded one. */
  uiUrl?: string | undefined;
  /** The keys of encrypted histories, where there are some. */
  encryption: EncryptionConfig | undefined;
  /** Task queue and workflow ids of the configured deployment. */
  names: DeploymentNames;
}

/** For a request and its repetitions, where the command sets no other limit. */
const REQUEST_MS = 30_000;
/** Status codes of gRPC with a cure of their own. */
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNAUTHENTICATED = 16;

/**
 * Runs a command's work with a connection to Temporal, and closes it.
 * @throws CommandError that names the setting to change if Temporal cannot be used, or stops answering; ConfigError
 */
export async function withTemporal<Result>(
  context: CommandContext,
  work: (temporal: TemporalAccess) => Promise<Result>,
): Promise<Result> {
  const { temporal: config, deployment } = loadTemporalConfig(context.environment());
  const { namespace, connectionOptions, encryption } = config;
  let temporal: Temporal;
  try {
    temporal = await connectTemporal({
      ...config,
      connectionOptions: {
        ...connectionOptions,
        interceptors: [withLimit, retry],
      } as typeof connectionOptions,
    });
  } catch (error) {
    throw new CommandError((error as Error).message, EXIT.unreachable);
  }
  try {
    return await work({
      ...temporal,
      namespace,
      encryption,
      uiUrl: config.uiUrl,
      address: connectionOptions.address,
      names: namesOf(deployment),
    });
  } catch (error) {
    throw explained(error, connectionOptions.address);
  } finally {
    await temporal.connection.close();
  }
}

type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];

const retry = makeGrpcRetryInterceptor(defaultGrpcRetryOptions());

/** Without a limit, gRPC waits for ever. */
const withLimit: Interceptor = (options, next) =>
  next({ ...options, deadline: options.deadline ?? Date.now() + REQUEST_MS }) as ReturnType<Interceptor>;

/** What a command has not explained itself. */
function explained(error: unknown, address: string): unknown {
  if (error instanceof CommandError) return error;
  const { code, details: said, noAnswer } = temporalFault(error);
  if (code === undefined) return error;
  // gRPC's own text for a missed deadline is about its inside.
  const details = code === DEADLINE_EXCEEDED ? 'no answer in time' : said;
  const text = noAnswer
    ? `Temporal at ${address} has stopped answering (${details}): run the command again when it is back`
    : code === PERMISSION_DENIED || code === UNAUTHENTICATED
      ? `Temporal at ${address} does not allow it (${details}): check TEMPORAL_API_KEY and TEMPORAL_TLS*`
      : code === RESOURCE_EXHAUSTED
        ? `Temporal at ${address} takes no more requests at present (${details}): run the command again later`
        : `Temporal at ${address} does not answer as expected: ${details}`;
  return new CommandError(text, EXIT.unreachable);
}
