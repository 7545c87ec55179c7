// The admin server of a webhook server or worker: metrics for Prometheus, liveness and readiness. For operators only:
// loopback unless the setting says otherwise.
import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from '../log.ts';
import { registry } from '../metrics/metrics.ts';
import { VERSION } from '../version.ts';

export interface AdminDeps {
  /** Whether this process can do its work now. */
  ready(): Promise<boolean>;
  /** Brings gauges up to date before they are read. */
  refresh?(): Promise<void>;
  /** Metrics of Temporal's own exporter, as text; empty where there are none. */
  temporalMetrics?(): Promise<string>;
  log: Logger;
}

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const REQUEST_TIMEOUT_MS = 10_000;

/** Creates the server, not yet listening: `GET /metrics`, `GET /live`, `GET /ready`. */
export function createAdminServer(deps: AdminDeps): FastifyInstance {
  const app = Fastify({ logger: false, requestTimeout: REQUEST_TIMEOUT_MS, forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => {
    await deps.refresh?.();
    const temporal = (await deps.temporalMetrics?.().catch(() => '')) ?? '';
    return reply.type(TEXT).send(`${await registry.metrics()}\n${temporal}`);
  });
  app.get('/live', async () => ({ ok: true, version: VERSION }));
  app.get('/ready', async (_request, reply) => {
    if (await deps.ready().catch(() => false)) return { ok: true };
    return reply.code(503).send({ ok: false });
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'No such address' }));
  return app;
}

/** Listens on this port, or on another one if it is in use: two processes of one machine may share a configuration. */
export async function listen(
  app: FastifyInstance,
  { host, port }: { host: string; port: number },
  log: Logger,
): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const url = await app.listen({ host, port: 0 });
    log.info({ port, url }, 'the port of the admin server is in use; another one was taken');
    return url;
  }
}
