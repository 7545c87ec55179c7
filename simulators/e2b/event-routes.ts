/** Control plane: lifecycle events of one sandbox, or of all sandboxes of the team. */
import type { FastifyInstance } from 'fastify';
import { ApiError } from './api-error.ts';
import type { EventQuery, LifecycleEvents } from './lifecycle-events.ts';
import { readSandboxId } from './sandbox-id.ts';

type Query = Record<string, string | string[] | undefined>;

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

export function addEventRoutes(app: FastifyInstance, events: LifecycleEvents): void {
  const options = { config: { fault: 'sandbox.events' } };
  app.get<{ Querystring: Query }>('/events/sandboxes', options, async ({ query }) =>
    events.read(readQuery(query)),
  );
  // A killed sandbox still has events, so the route does not look the sandbox up: an unknown id has an empty list.
  app.get<{ Querystring: Query; Params: { id: string } }>(
    '/events/sandboxes/:id',
    options,
    async ({ query, params }) => events.read({ ...readQuery(query), sandboxId: readSandboxId(params.id) }),
  );
}

function readQuery({ offset, limit, orderAsc, types }: Query): EventQuery {
  if (orderAsc !== undefined && orderAsc !== 'true' && orderAsc !== 'false')
    throw new ApiError(400, 'orderAsc must be true or false');
  return {
    offset: integer('offset', offset, 0, 0, Number.MAX_SAFE_INTEGER),
    limit: integer('limit', limit, DEFAULT_LIMIT, 1, MAX_LIMIT),
    ascending: orderAsc === 'true',
    types: [types ?? []].flat(),
  };
}

function integer(name: string, text: Query[string], absent: number, least: number, most: number): number {
  const value = text === undefined ? absent : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ApiError(400, `${name} must be a number from ${least} to ${most}`);
}
