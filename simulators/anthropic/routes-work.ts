/** Routes of the work queue: `/v1/environments/{environment_id}/work…`. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { authorize } from './auth.ts';
import { badRequest, notFound } from './errors.ts';
import { creationKey, type PageQuery, paginate } from './pagination.ts';
import { metadataPatch, parseBody, patchMetadata } from './params.ts';
import type { Service } from './service.ts';
import type { WorkRecord } from './state.ts';
import { workSecret, workView } from './views.ts';

interface OfEnvironment {
  Params: { environment_id: string };
}
interface OfItem {
  Params: { environment_id: string; work_id: string };
}
interface PollQuery {
  block_ms?: string;
  reclaim_older_than_ms?: string;
}
interface HeartbeatQuery {
  expected_last_heartbeat?: string;
  desired_ttl_seconds?: string;
}

const DEFAULT_RECLAIM_MS = 5000;
const LONGEST_BLOCK_MS = 999;
const DEFAULT_PAGE = 100;

const stopBody = z.strictObject({ force: z.boolean().nullish() });
const updateBody = z.strictObject({ metadata: metadataPatch });

const worker = ['environment', 'session'] as const;

export function workRoutes(app: FastifyInstance, service: Service): void {
  const { state, queue } = service;
  const base = '/v1/environments/:environment_id/work';

  const environmentOf = (request: FastifyRequest<OfEnvironment>, sessionId = ''): string => {
    const id = request.params.environment_id;
    if (!state.environments.get(id)) throw notFound('Environment', id);
    authorize(request.caller, id, sessionId);
    return id;
  };
  const itemOf = (request: FastifyRequest<OfItem>): WorkRecord => {
    const { environment_id, work_id } = request.params;
    const item = state.work.get(work_id);
    environmentOf(request, item?.data.id);
    if (item?.environment_id !== environment_id) throw notFound('Work', work_id);
    queue.applyItemTimeouts(item);
    return item;
  };

  app.get<OfEnvironment & { Querystring: PollQuery }>(
    `${base}/poll`,
    { config: { fault: 'work.poll', accepts: ['environment'] } },
    async (request, reply) => {
      const environment = environmentOf(request);
      const blockMs = integer('block_ms', request.query.block_ms, 1, LONGEST_BLOCK_MS) ?? 0;
      const reclaimMs = integer('reclaim_older_than_ms', request.query.reclaim_older_than_ms, 1);
      const workerId = request.headers['anthropic-worker-id'];
      queue.recordPoller(environment, typeof workerId === 'string' ? workerId : undefined);
      const until = Date.now() + blockMs;
      for (;;) {
        // A client that has hung up would never acknowledge the item.
        if (request.raw.socket.destroyed) return reply.send();
        const offer = queue.poll(environment, reclaimMs ?? DEFAULT_RECLAIM_MS);
        if (offer) return workView(offer.item, workSecret(offer.token, service.url));
        const left = until - Date.now();
        if (left <= 0 || service.closing.signal.aborted) return reply.type('application/json').send('null');
        await queue.available(AbortSignal.any([AbortSignal.timeout(left), service.closing.signal]));
      }
    },
  );

  app.get<OfEnvironment & { Querystring: PageQuery }>(
    base,
    { config: { fault: 'work.list', accepts: ['environment'] } },
    async (request) => {
      const environment = environmentOf(request);
      queue.applyTimeouts(environment);
      const page = paginate(queue.items(environment), creationKey, 'asc', request.query, DEFAULT_PAGE);
      return { data: page.data.map((item) => workView(item)), next_page: page.next_page };
    },
  );

  app.get<OfEnvironment>(
    `${base}/stats`,
    { config: { fault: 'work.stats', accepts: ['organization', 'environment'] } },
    async (request) => queue.stats(environmentOf(request)),
  );

  app.get<OfItem>(
    `${base}/:work_id`,
    { config: { fault: 'work.retrieve', accepts: ['organization'] } },
    async (request) => workView(itemOf(request)),
  );

  app.post<OfItem>(
    `${base}/:work_id`,
    { config: { fault: 'work.update', accepts: ['organization'] } },
    async (request) => {
      const item = itemOf(request);
      item.metadata = patchMetadata(item.metadata, parseBody(updateBody, request.body).metadata);
      return workView(state.work.put(item.id, item));
    },
  );

  app.post<OfItem>(
    `${base}/:work_id/ack`,
    { config: { fault: 'work.ack', accepts: worker } },
    async (request) => workView(queue.ack(itemOf(request))),
  );

  app.post<OfItem & { Querystring: HeartbeatQuery }>(
    `${base}/:work_id/heartbeat`,
    { config: { fault: 'work.heartbeat', accepts: worker } },
    async (request) => {
      const ttl = integer('desired_ttl_seconds', request.query.desired_ttl_seconds, 1);
      return queue.heartbeat(itemOf(request), request.query.expected_last_heartbeat, ttl);
    },
  );

  app.post<OfItem>(
    `${base}/:work_id/stop`,
    { config: { fault: 'work.stop', accepts: ['organization', ...worker] } },
    async (request, reply) => {
      const { force } = parseBody(stopBody, request.body);
      queue.stop(itemOf(request), force === true);
      return reply.code(204).send();
    },
  );
}

function integer(name: string, text: string | undefined, least: number, most = Number.MAX_SAFE_INTEGER) {
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw badRequest(
    `${name}: must be an integer ${most < 1e6 ? `from ${least} to ${most}` : `of at least ${least}`}`,
  );
}
