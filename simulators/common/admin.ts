/**
 * The admin interface of both simulators under `/_admin`, behind a bearer token: faults, switches, a dump of the
 * state, and the clock. Each simulator adds routes of its own to the same scope.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Clock } from './clock.ts';
import { type Faults, parseFaultRule } from './faults.ts';

export interface AdminOptions {
  adminToken: string;
  faults: Faults;
  clock: Clock;
  switches: { all(): Record<string, string>; patch(values: Record<string, unknown>): void };
  /** The whole state as a JSON value. */
  state(): unknown;
  /** Called after the clock or a switch has changed, before the request is answered. */
  changed?(): Promise<void>;
  /** Registers further routes behind the same token; their paths are relative to `/_admin`. */
  routes?(scope: FastifyInstance): void;
}

/** Whether an `Authorization` header carries this token; compared in constant time. */
function isBearer(header: string | undefined, token: string): boolean {
  const given = /^Bearer\s+(.+)$/i.exec(header ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** Adds the `/_admin` routes to a server. They answer wrong input with 400 `{"error": …}`, a wrong token with 401. */
export async function registerAdmin(app: FastifyInstance, options: AdminOptions): Promise<void> {
  const { faults, switches, clock } = options;
  const changed = async () => options.changed?.();
  await app.register(
    async (scope) => {
      scope.addHook('onRequest', async (request, reply) => {
        if (isBearer(request.headers.authorization, options.adminToken)) return;
        return reply
          .code(401)
          .send({ error: 'the admin interface needs Authorization: Bearer <adminToken>' });
      });
      scope.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
        reply.code(error.statusCode ?? 400).send({ error: error.message }),
      );
      scope.post('/faults', async (request) => ({ id: faults.add(parseFaultRule(request.body)) }));
      scope.get('/faults', async () => ({ data: faults.list() }));
      scope.delete('/faults', async () => ({ removed: faults.clear() }));
      scope.delete<{ Params: { id: string } }>('/faults/:id', async (request, reply) =>
        faults.clear(request.params.id)
          ? { removed: true }
          : reply.code(404).send({ error: `no fault ${request.params.id}` }),
      );
      scope.get('/switches', async () => switches.all());
      scope.patch('/switches', async (request) => {
        switches.patch(objectBody(request.body));
        await changed();
        return switches.all();
      });
      scope.get('/state', async () => options.state());
      scope.get('/clock', async () => ({ now: clock.iso(), speed: clock.state().speed }));
      scope.post('/clock', async (request) => {
        const { speed, advanceMs } = objectBody(request.body);
        if (speed === undefined && advanceMs === undefined) throw new Error('speed or advanceMs is required');
        if (speed !== undefined) clock.setSpeed(Number(speed));
        if (advanceMs !== undefined) clock.advance(Number(advanceMs));
        await changed();
        return { now: clock.iso(), speed: clock.state().speed };
      });
      options.routes?.(scope);
    },
    { prefix: '/_admin' },
  );
}

/** Returns the body if it is a JSON object, else throws an `Error` (400). */
export function objectBody(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw new Error('the body must be a JSON object');
}
