// The Temporal client: connection, namespace check, and the search attributes by which sessions are found.
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import {
  EnvironmentIdAttribute,
  SandboxIdAttribute,
  SessionPhaseAttribute,
} from '../../workflows/messages.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';

export interface Temporal {
  connection: Connection;
  client: Client;
}

/** Status codes of gRPC that are told apart here. */
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;
/** A loaded machine may take its time to answer. */
const CONNECT_TIMEOUT_MS = 20_000;
/** By default the pauses between two attempts grow to two minutes: so long nothing goes on where Temporal is back. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 250, 'grpc.max_reconnect_backoff_ms': 3_000 };

/** Names of the search attributes of our workflows; all of them keywords. */
export const SEARCH_ATTRIBUTES = [
  SessionPhaseAttribute.name,
  SandboxIdAttribute.name,
  EnvironmentIdAttribute.name,
];

/** A client that connects at its first call, for a process that must start before Temporal does. */
export function lazyTemporal(config: Config['temporal']): Temporal {
  const connection = Connection.lazy({
    ...config.connectionOptions,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: RECONNECT,
  });
  return { connection, client: new Client({ connection, namespace: config.namespace }) };
}

/**
 * Connects and makes sure that the namespace can be used.
 * @throws Error that names the setting to look at, within about 20 seconds
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

/** Asks the server for the namespace: an answer means that it can be worked with. */
export async function describeNamespace(connection: Connection, namespace: string): Promise<void> {
  await connection.workflowService.describeNamespace({ namespace });
}

/**
 * Makes the server know the search attributes of our workflows.
 * @returns whether it knows them; false, with a warning, where it does not let us register them
 * @throws the gRPC error when the server cannot be reached
 */
export async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
  log: Logger,
): Promise<boolean> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = SEARCH_ATTRIBUTES.filter((name) => customAttributes[name] === undefined);
    if (missing.length === 0) return true;
    const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    log.info({ searchAttributes: missing }, 'search attributes registered');
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error) || isTransient(error.code)) throw error;
    const hint = `create them as keywords to search sessions by them: ${SEARCH_ATTRIBUTES.join(', ')}`;
    log.warn({ reason: error.details }, `the server does not let us register search attributes; ${hint}`);
    return false;
  }
}

/** One sentence that says what failed and which variable to look at. */
export function explainTemporalError(error: unknown, config: Config['temporal']): string {
  const address = config.connectionOptions.address;
  const code = isGrpcServiceError(error) ? error.code : undefined;
  if (code === NOT_FOUND) {
    return `Temporal at ${address} has no namespace ${config.namespace}; set TEMPORAL_NAMESPACE`;
  }
  if (code === UNAUTHENTICATED || code === PERMISSION_DENIED) {
    return `Temporal at ${address} refuses us in namespace ${config.namespace}; check TEMPORAL_API_KEY, TEMPORAL_TLS* and TEMPORAL_NAMESPACE`;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `Temporal does not answer at ${address} (${reason}); start it, or set TEMPORAL_ADDRESS`;
}

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE: says nothing about what the server allows. */
function isTransient(code: number): boolean {
  return code === 4 || code === 8 || code === 14;
}
