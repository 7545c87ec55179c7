/** Control plane (`E2B_API_URL`): routes of sandboxes, with the paths of the current SDK (v2) and of older ones (v1). */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Catalogue } from './catalogue.ts';
import {
  readConnect,
  readCreate,
  readNetwork,
  readPause,
  readRefresh,
  readResume,
  readTimeout,
} from './create-params.ts';
import { listPage } from './list-params.ts';
import type { NewSandbox, SandboxRecord } from './record.ts';
import { readSandboxId } from './sandbox-id.ts';
import type { Sandboxes } from './sandboxes.ts';
import { startFrom } from './snapshot-routes.ts';
import type { Snapshots } from './snapshots.ts';
import type { Resume } from './transitions.ts';
import { detailView, listedView, sandboxView } from './views.ts';

interface ById {
  Params: { id: string };
}

interface ControlOptions {
  sandboxes: Sandboxes;
  snapshots: Snapshots;
  templates: Catalogue;
  /** Domain under which this client reaches the ports of sandboxes. */
  domain(request: FastifyRequest): string;
  pageSize(): number;
}

export function addControlRoutes(app: FastifyInstance, options: ControlOptions): void {
  const { sandboxes, snapshots, templates, domain } = options;
  const templateOf = ({ buildId }: SandboxRecord) => templates.build(buildId);
  const fault = (name: string) => ({ config: { fault: name } });
  const createFrom = (wanted: NewSandbox, disk = templates.build(wanted.buildId)?.disk) =>
    sandboxes.create(wanted, disk);

  // The fault `vanish` kills the sandbox before any request for it is served.
  app.addHook('preHandler', async (request) => {
    const { id } = request.params as Partial<ById['Params']>;
    if (request.fault?.kind === 'vanish' && id)
      await sandboxes.kill(id.split('-')[0] ?? '').catch(() => undefined);
  });

  for (const prefix of ['/v2', '']) {
    app.post(`${prefix}/sandboxes`, fault('sandbox.create'), async (request, reply) => {
      const record = await startFrom(snapshots, request.body, (body, disk) =>
        createFrom(readCreate(body, templates, prefix === ''), disk),
      );
      if (request.fault?.kind === 'vanish') await sandboxes.kill(record.id);
      return reply.code(201).send(sandboxView(record, templateOf(record), domain(request)));
    });
    app.post<ById>(`${prefix}/sandboxes/:id/connect`, fault('sandbox.connect'), async (request, reply) => {
      const { timeoutMs, memory } = readConnect(request.body);
      const how = faultyResume(request.fault?.kind) ?? (memory ? 'memory' : 'reboot');
      const { record, resumed } = await sandboxes.connect(idOf(request), timeoutMs, how);
      return reply.code(resumed ? 201 : 200).send(sandboxView(record, templateOf(record), domain(request)));
    });
    app.get(`${prefix}/sandboxes`, fault('sandbox.list'), async (request, reply) => {
      const query = request.query as Record<string, string | string[] | undefined>;
      // The older list contains running sandboxes only.
      const filter = prefix ? query : { ...query, state: 'running' };
      const pageSize = prefix ? Math.max(1, options.pageSize()) : Number.POSITIVE_INFINITY;
      const byReference = (reference: string) => templates.find(reference)?.name;
      const { records, next } = listPage(sandboxes.list(), filter, pageSize, byReference);
      if (next) reply.header('x-next-token', next);
      const views = records.map((record) => listedView(record, templateOf(record)));
      if (request.fault?.kind === 'omit') return views.slice(1);
      return request.fault?.kind === 'stale' ? views.map((view) => ({ ...view, state: 'paused' })) : views;
    });
  }

  app.get<ById>('/sandboxes/:id', fault('sandbox.get'), async (request) => {
    const record = sandboxes.get(idOf(request));
    return detailView(record, templateOf(record), domain(request));
  });
  app.delete<ById>('/sandboxes/:id', fault('sandbox.kill'), async (request, reply) => {
    await sandboxes.kill(idOf(request));
    return reply.code(204).send();
  });
  app.post<ById>('/sandboxes/:id/pause', fault('sandbox.pause'), async (request, reply) => {
    const { memory } = readPause(request.body);
    if (request.fault?.kind === 'lose-state') await sandboxes.failPause(idOf(request));
    await sandboxes.pause(idOf(request), memory);
    return reply.code(204).send();
  });
  app.post<ById>('/sandboxes/:id/timeout', fault('sandbox.timeout'), async (request, reply) => {
    await sandboxes.setTimeout(idOf(request), readTimeout(request.body));
    return reply.code(204).send();
  });
  app.put<ById>('/sandboxes/:id/network', fault('sandbox.network'), async (request, reply) => {
    await sandboxes.setNetwork(idOf(request), readNetwork(request.body));
    return reply.code(204).send();
  });
  app.post<ById>('/sandboxes/:id/resume', fault('sandbox.connect'), async (request, reply) => {
    const { timeoutMs, autoPause } = readResume(request.body);
    const how = faultyResume(request.fault?.kind);
    const record = await sandboxes.resume(idOf(request), timeoutMs, autoPause, how);
    return reply.code(201).send(sandboxView(record, templateOf(record), domain(request)));
  });
  app.post<ById>('/sandboxes/:id/refreshes', fault('sandbox.timeout'), async (request, reply) => {
    await sandboxes.refresh(idOf(request), readRefresh(request.body));
    return reply.code(204).send();
  });
}

function faultyResume(kind: string | undefined): Resume | undefined {
  return kind === 'old-files' || kind === 'reboot' ? kind : undefined;
}

function idOf(request: FastifyRequest<ById>): string {
  return readSandboxId(request.params.id);
}
