// Connects to Temporal, checks the namespace, and explains errors.
import { Client, Connection, isGrpcServiceError, type WorkflowClientInterceptor } from '@temporalio/client';
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeMapFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { Config } from '../config.ts';
import { dataConverterOf } from '../payload-codec/data-converter.ts';
import { routerCommand } from '../program-name.ts';
import { retries } from './temporal-retries.ts';

export interface Temporal {
  connection: Connection;
  client: Client;
}

/** Status codes of gRPC that have an explanation of their own below. */
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
/** A loaded machine may answer slowly. */
const CONNECT_TIMEOUT_MS = 20_000;
const PING_TIMEOUT_MS = 2_000;
/** gRPC's default pause between two attempts grows to two minutes; sessions would stand still although Temporal is back. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 250, 'grpc.max_reconnect_backoff_ms': 3_000 };

/** A client that connects at its first call, for a process that may start before Temporal does. */
export function lazyTemporal(config: Config['temporal']): Temporal {
  const connection = Connection.lazy({
    // Those of the command line, which has a limit for each request, take their place.
    interceptors: [retries],
    ...config.connectionOptions,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: RECONNECT,
  });
  const { namespace, encryption } = config;
  const interceptors = { workflow: [readableMemo(() => client.options.loadedDataConverter)] };
  const client: Client = new Client({
    connection,
    namespace,
    interceptors,
    ...dataConverterOf(encryption),
  });
  return { connection, client };
}

/** A memo that cannot be read (its key is not here, or another program wrote it) hides nothing else. */
function readableMemo(converter: () => LoadedDataConverter): WorkflowClientInterceptor {
  return {
    describe: async (input, next) => {
      const described = await next(input);
      const info = described.workflowExecutionInfo;
      if (info?.memo)
        await decodeMapFromPayloads(converter(), info.memo.fields).catch(() => {
          info.memo = null;
        });
      return described;
    },
  };
}

/**
 * Connects and checks that the namespace exists.
 * @throws Error that names the setting to change, within about 20 seconds
 */
export async function connectTemporal(config: Config['temporal']): Promise<Temporal> {
  const temporal = lazyTemporal(config);
  try {
    await temporal.connection.ensureConnected();
    await temporal.connection.withDeadline(Date.now() + CONNECT_TIMEOUT_MS, () =>
      describeNamespace(temporal.connection, config.namespace),
    );
    return temporal;
  } catch (error) {
    await temporal.connection.close().catch(() => undefined);
    throw new Error(explainTemporalError(error, config), { cause: error });
  }
}

/** Asks the server for the namespace over a connection of its own. @throws Error if there is no answer within two seconds */
export async function pingTemporal(config: Config['temporal']): Promise<void> {
  const { connection } = lazyTemporal(config);
  try {
    await connection.withDeadline(Date.now() + PING_TIMEOUT_MS, () =>
      describeNamespace(connection, config.namespace),
    );
  } finally {
    await connection.close();
  }
}

/** Asks the server for the namespace. @throws the gRPC error if the server or the namespace cannot be used */
export async function describeNamespace(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.describeNamespace({ namespace });
}

/** What a failed call to Temporal was answered. */
export interface TemporalFault {
  /** gRPC status code; absent if the error is of another kind. */
  code?: number;
  details: string;
  /** Temporal could not be reached, or was too slow. */
  noAnswer: boolean;
}

/** The client wraps gRPC's error, whose text alone says what was wrong. */
export function temporalFault(error: unknown): TemporalFault {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (isGrpcServiceError(at))
      return {
        code: at.code,
        details: at.details,
        noAnswer: [DEADLINE_EXCEEDED, UNAVAILABLE].includes(at.code),
      };
  return { details: error instanceof Error ? error.message : String(error), noAnswer: false };
}

/** One sentence that says what failed and which variable to change. */
export function explainTemporalError(error: unknown, config: Config['temporal']): string {
  const address = config.connectionOptions.address;
  const code = isGrpcServiceError(error) ? error.code : undefined;
  if (code === NOT_FOUND) {
    return `Temporal at ${address} has no namespace ${config.namespace}; set TEMPORAL_NAMESPACE`;
  }
  if (code === UNAUTHENTICATED || code === PERMISSION_DENIED) {
    return `Temporal at ${address} denies access to namespace ${config.namespace}; check TEMPORAL_API_KEY, TEMPORAL_TLS* and TEMPORAL_NAMESPACE`;
  }
  // gRPC's own text for a missed deadline is about its inside.
  const text = error instanceof Error ? error.message : String(error);
  const reason = code === DEADLINE_EXCEEDED ? 'nothing listens there, or it is too slow' : text;
  return `Temporal does not answer at ${address} (${reason}): set TEMPORAL_ADDRESS to a server that runs, or let "${routerCommand('start')}" bring one up`;
}
