/** Control plane: snapshots and forks of sandboxes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import { parse, Timeout } from './create-params.ts';
import { newestFirst } from './list-params.ts';
import type { SandboxRecord } from './record.ts';
import { readSandboxId } from './sandbox-id.ts';
import type { Sandboxes } from './sandboxes.ts';
import type { SnapshotRecord, Snapshots } from './snapshots.ts';

interface ById {
  Params: { id: string };
}

interface SnapshotRoutesOptions {
  sandboxes: Sandboxes;
  snapshots: Snapshots;
  /** Deletes a template: snapshots and templates share one endpoint. Throws a 404. */
  removeTemplate(reference: string): Promise<void>;
  /** The answer of `create` for a sandbox. */
  view(record: SandboxRecord, request: FastifyRequest): unknown;
}

const MAX_FORKS = 100;
const NAME = /^(?:local\/)?[a-z0-9][a-z0-9._-]{0,127}(?::[a-zA-Z0-9][a-zA-Z0-9._-]{0,127})?$/;

const SnapshotBody = z.looseObject({
  name: z
    .string()
    .regex(NAME, {
      error: 'must be small letters, digits, dots and dashes, with a tag behind a colon if wanted',
    })
    .nullish(),
});
const ForkBody = z.looseObject({ timeout: Timeout, count: z.int().min(1).max(MAX_FORKS).default(1) });

export function addSnapshotRoutes(
  app: FastifyInstance,
  { sandboxes, snapshots, removeTemplate, view }: SnapshotRoutesOptions,
): void {
  const fault = (name: string) => ({ config: { fault: name } });

  app.post<ById>('/sandboxes/:id/snapshots', fault('sandbox.snapshot'), async (request, reply) => {
    const { name } = parse(SnapshotBody, request.body);
    const record = await snapshots.take(readSandboxId(request.params.id), name ?? undefined);
    return reply.code(201).send(snapshotView(record));
  });
  app.get<{ Querystring: Record<string, string | undefined> }>('/snapshots', async ({ query }, reply) => {
    const { records, next } = newestFirst(matching(snapshots, query), query);
    if (next) reply.header('x-next-token', next);
    return records.map(snapshotView);
  });
  app.delete<{ Params: { template: string } }>('/templates/:template', async (request, reply) => {
    const { template } = request.params;
    const record = snapshots.find(template);
    if (record) await snapshots.remove(record);
    else await removeTemplate(template);
    return reply.code(204).send();
  });
  app.post<ById>('/sandboxes/:id/fork', fault('sandbox.fork'), async (request, reply) => {
    const { timeout, count } = parse(ForkBody, request.body);
    const results = await snapshots.withCopy(readSandboxId(request.params.id), (source, disk) => {
      const { template, buildId, metadata, env, onTimeout, keepMemory, autoResume } = source;
      const { allowPublicTraffic, allowInternetAccess, network, open } = source;
      const lifecycle = { onTimeout, keepMemory, autoResume, timeoutMs: timeout * 1000 };
      const access = { allowPublicTraffic, allowInternetAccess, network, open };
      const wanted = { template, buildId, metadata, env, ...lifecycle, ...access };
      return Promise.all(
        Array.from({ length: count }, () => outcome(sandboxes.create(wanted, disk), request)),
      );
    });
    return reply.code(201).send(results);
  });

  /** A failed fork does not fail the others. */
  const outcome = (made: Promise<SandboxRecord>, request: FastifyRequest) =>
    made.then(
      (record) => ({ sandbox: view(record, request) }),
      (error: Error) => ({
        error: error instanceof ApiError ? error.body : { code: 500, message: error.message },
      }),
    );
}

/** Starts a sandbox from a template or snapshot. A snapshot's disk starts over the template build it was taken from. */
export function startFrom(
  snapshots: Snapshots,
  body: unknown,
  start: (body: unknown, disk?: string) => Promise<SandboxRecord>,
): Promise<SandboxRecord> {
  const { templateID } = (body ?? {}) as { templateID?: unknown };
  const snapshot = typeof templateID === 'string' ? snapshots.find(templateID) : undefined;
  if (!snapshot) return start(body);
  const asked = { ...(body as object), templateID: snapshot.buildId };
  return snapshots.read(snapshot, (disk) => start(asked, disk));
}

/** The snapshots that match the query; a name without a tag matches all its tags. */
function matching(
  snapshots: Snapshots,
  { sandboxID, name }: Record<string, string | undefined>,
): SnapshotRecord[] {
  const named = name ? snapshots.find(name) : undefined;
  return snapshots
    .list()
    .filter((record) => !sandboxID || record.sandboxId === sandboxID)
    .filter(
      (record) => !name || record === named || (!name.includes(':') && untagged(record) === bare(name)),
    );
}

function snapshotView({ id, names }: SnapshotRecord) {
  return { snapshotID: id, names };
}

/** The name of a snapshot without its team and tag. */
function untagged({ id }: SnapshotRecord): string {
  return bare(id.slice(0, id.indexOf(':')));
}

function bare(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}
