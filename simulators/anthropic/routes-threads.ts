/** Routes of a session's threads and of their events. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authorize } from './auth.ts';
import { badRequest, notFound } from './errors.ts';
import { streamEvents } from './event-stream.ts';
import { type PageQuery, paginate, repeated } from './pagination.ts';
import { previewsOf, seqKey } from './routes-events.ts';
import type { Service } from './service.ts';
import { type SessionThread, threadIdOf, threadsOf } from './session-threads.ts';
import type { SessionRecord } from './state.ts';
import { threadView } from './views.ts';

interface OfSession {
  Params: { session_id: string };
}
interface OfThread {
  Params: { session_id: string; thread_id: string };
}
interface Query {
  Querystring: PageQuery & Record<string, unknown>;
}

const DEFAULT_PAGE = 100;
const DEFAULT_EVENTS = 1000;

export function threadRoutes(app: FastifyInstance, service: Service): void {
  const { state, sessions, events, statuses } = service;
  const base = '/v1/sessions/:session_id/threads';
  const sessionOf = (request: FastifyRequest<OfSession>): SessionRecord => {
    const session = sessions.get(request.params.session_id);
    authorize(request.caller, session.environment_id, session.id);
    return session;
  };
  const threadOf = (request: FastifyRequest<OfThread>): SessionThread => {
    const id = request.params.thread_id;
    const thread = threadsOf(sessionOf(request)).find((one) => threadIdOf(one) === id);
    if (!thread) throw notFound('Thread', id);
    return thread;
  };

  app.get<OfSession & Query>(base, { config: { fault: 'threads.list' } }, async (request) => {
    const session = sessionOf(request);
    const statusesWanted = repeated(request.query, 'statuses');
    const found = threadsOf(session)
      .map(({ child }, index) => ({ index, view: threadView(session, state, child) }))
      .filter(({ view }) => statusesWanted.length === 0 || statusesWanted.includes(String(view.status)));
    // The primary thread first, then child threads by age.
    const keyOf = ({ index }: { index: number }) => String(index).padStart(6, '0');
    const page = paginate(found, keyOf, 'asc', request.query, DEFAULT_PAGE);
    return { data: page.data.map(({ view }) => view), next_page: page.next_page };
  });

  app.get<OfThread>(`${base}/:thread_id`, { config: { fault: 'threads.retrieve' } }, async (request) => {
    const { session, child } = threadOf(request);
    return threadView(session, state, child);
  });

  app.post<OfThread>(
    `${base}/:thread_id/archive`,
    { config: { fault: 'threads.archive' } },
    async (request) => {
      const { session, child } = threadOf(request);
      if (!child) throw badRequest('The primary thread is archived with its session.');
      if (child.turn) throw badRequest(`Thread ${child.id} is ${child.status}; interrupt it first.`);
      if (child.archived_at === null) statuses.threadTerminated(session, child);
      child.archived_at ??= state.clock.iso();
      state.sessions.put(session.id, session);
      return threadView(session, state, child);
    },
  );

  app.get<OfThread & Query>(
    `${base}/:thread_id/events`,
    { config: { fault: 'threads.events' } },
    async (request) => {
      const { session, child } = threadOf(request);
      const found = events.list(session.id, child?.id);
      const page = paginate(found, seqKey, 'asc', request.query, DEFAULT_EVENTS);
      return { data: page.data.map(({ event }) => event), next_page: page.next_page };
    },
  );

  app.get<OfThread & Query>(
    `${base}/:thread_id/stream`,
    { config: { fault: 'threads.stream' } },
    async (request, reply) => {
      const { session, child } = threadOf(request);
      streamEvents(service, child?.id ?? session.id, previewsOf(request.query), request, reply);
    },
  );
}
