// The admin server of a webhook server or worker: metrics for Prometheus, liveness and readiness. For operators only:
// loopback unless the setting says otherwise.
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from '../log.ts';
import { buildInfo, registries, temporalReady } from '../metrics/metrics.ts';
import { VERSION } from '../version.ts';

export interface AdminDeps {
  /** What this process runs. */
  parts: ('webhook' | 'worker')[];
  /** Whether Temporal answers and has the namespace. */
  ready(): Promise<boolean>;
  /** Brings gauges up to date before they are read. */
  refresh?(): Promise<void>;
  /** Metrics of Temporal's own exporter, as text; empty where there are none. */
  temporalMetrics?(): Promise<string>;
  log: Logger;
}

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const READY_WITHIN_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;

/** Creates the server, not yet listening: `GET /metrics`, `GET /live`, `GET /ready`. */
export function createAdminServer(deps: AdminDeps): FastifyInstance {
  const app = Fastify({ logger: false, requestTimeout: REQUEST_TIMEOUT_MS, forceCloseConnections: true });
  for (const part of deps.parts) buildInfo.set({ part, version: VERSION }, 1);
  const isReady = shared(() =>
    Promise.race([deps.ready(), sleep(READY_WITHIN_MS, false, { ref: false })]).catch(() => false),
  );
  const collect = shared(async () => {
    // Each of these ends by itself within two seconds.
    const [ready, temporal = ''] = await Promise.all([
      isReady(),
      deps.temporalMetrics?.().catch(() => ''),
      deps.refresh?.(),
    ]);
    temporalReady.set(ready ? 1 : 0);
    const shown = [registries.process, ...deps.parts.map((part) => registries[part])];
    const texts = await Promise.all(shown.map((registry) => registry.metrics()));
    return [...texts, temporal].join('\n');
  });
  app.get('/metrics', async (_request, reply) => reply.type(TEXT).send(await collect()));
  app.get('/live', async () => ({ ok: true, version: VERSION }));
  app.get('/ready', async (_request, reply) => {
    if (await isReady()) return { ok: true };
    return reply.code(503).send({ ok: false });
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'No such address' }));
  return app;
}

/** Requests that come while an answer is being made get the same answer. */
function shared<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let making: Promise<Result> | undefined;
  return () => {
    making ??= make().finally(() => {
      making = undefined;
    });
    return making;
  };
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
