// Connects to Temporal, checks the namespace, and registers the search attributes by which people find sessions.
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { dataConverterOf } from '../payload-codec/data-converter.ts';

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
/** `IndexedValueType` of Temporal's API. */
const INDEXED_VALUE_TYPES = { KEYWORD: 2, KEYWORD_LIST: 7 };
/** The types as Temporal's command line and UI call them. */
const TYPE_NAMES = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList' };
/** A loaded machine may answer slowly. */
const CONNECT_TIMEOUT_MS = 20_000;
const PING_TIMEOUT_MS = 2_000;
/** gRPC's default pause between two attempts grows to two minutes; sessions would stand still although Temporal is back. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 250, 'grpc.max_reconnect_backoff_ms': 3_000 };

/** The search attributes of our workflows, each as `Name=Type`. */
export const NAMED_SEARCH_ATTRIBUTES = SEARCH_ATTRIBUTES.map(
  ({ name, type }) => `${name}=${TYPE_NAMES[type]}`,
);

/** A client that connects at its first call, for a process that may start before Temporal does. */
export function lazyTemporal(config: Config['temporal']): Temporal {
  const connection = Connection.lazy({
    ...config.connectionOptions,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: RECONNECT,
  });
  const { namespace, encryption } = config;
  return { connection, client: new Client({ connection, namespace, ...dataConverterOf(encryption) }) };
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

type OurAttribute = (typeof SEARCH_ATTRIBUTES)[number];

/** Those of our search attributes that the namespace lacks, and those that it has with another type. */
export async function compareSearchAttributes(
  connection: Connection,
  namespace: string,
): Promise<{ missing: OurAttribute[]; mistyped: OurAttribute[] }> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter(({ name }) => customAttributes[name] === undefined);
  const known = SEARCH_ATTRIBUTES.filter((key) => !missing.includes(key));
  const mistyped = known.filter(({ name, type }) => customAttributes[name] !== INDEXED_VALUE_TYPES[type]);
  return { missing, mistyped };
}

/**
 * Registers the search attributes of our workflows with the server.
 * @returns whether the server knows them; false, with a warning, if it does not let us register them, or knows one of
 * these names with another type: a workflow that sets it would stand still
 * @throws the gRPC error if the server cannot be reached
 */
export async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
  log: Logger,
): Promise<boolean> {
  try {
    const { missing, mistyped } = await compareSearchAttributes(connection, namespace);
    if (mistyped.length > 0) {
      log.warn(
        { namespace, searchAttributes: mistyped.map(({ name }) => name) },
        `sessions cannot be searched: the namespace has search attributes of these names with another type; ` +
          `remove them, or use a namespace that has ${NAMED_SEARCH_ATTRIBUTES.join(', ')}`,
      );
      return false;
    }
    if (missing.length === 0) return true;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(
        missing.map(({ name, type }) => [name, INDEXED_VALUE_TYPES[type]]),
      ),
    });
    log.info({ searchAttributes: missing.map(({ name }) => name) }, 'search attributes registered');
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error) || isTransient(error.code)) throw error;
    const hint = `to search sessions by them, create them: ${NAMED_SEARCH_ATTRIBUTES.join(', ')}`;
    log.warn(
      { namespace, reason: error.details },
      `Temporal refuses to register our search attributes; ${hint}`,
    );
    return false;
  }
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
  return `Temporal does not answer at ${address} (${reason}); start it, or set TEMPORAL_ADDRESS`;
}

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or UNAVAILABLE, which do not say that the server forbids anything. */
function isTransient(code: number): boolean {
  return code === 4 || code === 8 || code === 14;
}
