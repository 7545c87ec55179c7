/** Routes of a session's events: list, send, stream. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authorize, type Caller } from './auth.ts';
import { ApiError, badRequest } from './errors.ts';
import { parseEvents } from './event-params.ts';
import { streamEvents } from './event-stream.ts';
import { createdAtFilter, orderOf, type PageQuery, paginate, repeated } from './pagination.ts';
import type { Service } from './service.ts';
import type { EventRecord, SessionRecord } from './state.ts';

interface OfSession {
  Params: { session_id: string };
}
interface ListQuery extends PageQuery, Record<string, unknown> {
  order?: string;
}

const DEFAULT_PAGE = 1000;
const SEQ_DIGITS = 12;
const PREVIEWS = ['agent.message', 'agent.thinking'];
const accepts = ['organization', 'environment', 'session'] as const;

export function eventRoutes(app: FastifyInstance, service: Service): void {
  const { events, inbox, sessions } = service;
  const path = '/v1/sessions/:session_id/events';
  const sessionOf = (request: FastifyRequest<OfSession>): SessionRecord => {
    const session = sessions.get(request.params.session_id);
    authorize(request.caller, session.environment_id, session.id);
    return session;
  };

  app.get<OfSession & { Querystring: ListQuery }>(
    path,
    { config: { fault: 'events.list', accepts } },
    async (request) => {
      const { query } = request;
      const types = repeated(query, 'types');
      const inTimeRange = createdAtFilter(query);
      const found = events
        .list(sessionOf(request).id)
        .filter(
          ({ event }) =>
            (types.length === 0 || types.includes(event.type)) && inTimeRange(event.processed_at),
        );
      const page = paginate(found, seqKey, orderOf(query.order, 'asc'), query, DEFAULT_PAGE);
      return { data: page.data.map(({ event }) => event), next_page: page.next_page };
    },
  );

  app.post<OfSession>(
    path,
    { config: { fault: 'events.send', faultInBody: true, accepts } },
    async (request) => {
      const session = sessionOf(request);
      const parsed = parseEvents(request.body);
      if (parsed.some(({ type }) => type === 'user.tool_confirmation'))
        authorizeConfirmation(request.caller, service);
      return { data: inbox.receive(session, parsed) };
    },
  );

  app.get<OfSession & { Querystring: Record<string, unknown> }>(
    `${path}/stream`,
    { config: { fault: 'events.stream', accepts } },
    async (request, reply) => {
      streamEvents(service, sessionOf(request).id, previewsOf(request.query), request, reply);
    },
  );
}

/** Throws 403 for a caller that may not speak for a person. */
function authorizeConfirmation({ kind }: Caller, { state }: Service): void {
  if (kind === 'organization' || state.switches.get('confirmation-key') === 'any') return;
  throw new ApiError(403, 'user.tool_confirmation events need an organization API key.');
}

/** The event types for which a stream sends previews. Throws 400. */
export function previewsOf(query: Record<string, unknown>): string[] {
  const wanted = repeated(query, 'event_deltas');
  if (wanted.every((type) => PREVIEWS.includes(type))) return wanted;
  throw badRequest(`event_deltas: must be one of ${PREVIEWS.join(', ')}`);
}

export function seqKey(record: EventRecord): string {
  return String(record.seq).padStart(SEQ_DIGITS, '0');
}
