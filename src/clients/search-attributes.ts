// Registers the search attributes by which people find sessions, and knows whether they can be used.
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';
import type { Logger } from '../log.ts';
import { describeNamespace, temporalFault } from './temporal.ts';

/** `IndexedValueType` of Temporal's API. */
const INDEXED_VALUE_TYPES = { KEYWORD: 2, KEYWORD_LIST: 7 };
/** The types as Temporal's command line and UI call them. */
const TYPE_NAMES = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList' };
const INVALID_ARGUMENT = 3;
/** After a refusal the server is asked again this often: somebody may have created the attributes meanwhile. */
const ASK_AGAIN_MS = 60_000;

/** The search attributes of our workflows, each as `Name=Type`. */
export const NAMED_SEARCH_ATTRIBUTES = SEARCH_ATTRIBUTES.map(
  ({ name, type }) => `${name}=${TYPE_NAMES[type]}`,
);

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
 * @throws the gRPC error if the server cannot be reached, or if the namespace cannot be used
 */
export async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
  log: Pick<Logger, 'info' | 'warn'>,
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
    // Servers refuse in the same way where the namespace is wrong.
    await describeNamespace(connection, namespace);
    const hint = `to search sessions by them, create them: ${NAMED_SEARCH_ATTRIBUTES.join(', ')}`;
    log.warn(
      { namespace, code: error.code, reason: error.details },
      `Temporal refuses to register our search attributes; ${hint}`,
    );
    return false;
  }
}

/** Whether the server knows our search attributes; asked until it does. */
export class SearchAttributes {
  readonly #ask: (log: Pick<Logger, 'info' | 'warn'>) => Promise<boolean>;
  readonly #log: Logger;
  #known = false;
  #asking: Promise<boolean> | undefined;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(connection: Connection, namespace: string, log: Logger) {
    this.#ask = (to) => registerSearchAttributes(connection, namespace, to);
    this.#log = log;
  }

  get known(): boolean {
    return this.#known;
  }

  /**
   * Registers them if need be. After a refusal it asks again once a minute.
   * @throws the gRPC error if the server cannot be reached, or if the namespace cannot be used
   */
  async ask(): Promise<boolean> {
    if (this.#known || Date.now() - this.#refusedAt < ASK_AGAIN_MS) return this.#known;
    this.#asking ??= this.#askNow().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askNow(): Promise<boolean> {
    const isFirst = this.#refusedAt === Number.NEGATIVE_INFINITY;
    const log = this.#log;
    this.#known = await this.#ask({
      info: log.info.bind(log),
      // A refusal that is known already is no news.
      warn: (isFirst ? log.warn : log.debug).bind(log),
    });
    if (!this.#known) this.#refusedAt = Date.now();
    return this.#known;
  }
}

/** Whether a start was refused because the server does not know a search attribute, or does not know it yet. */
export function lacksSearchAttribute(error: unknown): boolean {
  const { code, details } = temporalFault(error);
  return code === INVALID_ARGUMENT && /search attribute/i.test(details);
}

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or UNAVAILABLE, which do not say that the server forbids anything. */
function isTransient(code: number): boolean {
  return code === 4 || code === 8 || code === 14;
}
