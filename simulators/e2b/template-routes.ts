/** Control plane: names, tags and list of templates. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import { type Catalogue, DEFAULT_TAG, type TemplateRecord, unknownTemplate } from './catalogue.ts';
import { newestFirst } from './list-params.ts';
import { sizeView } from './views.ts';

const Tags = z
  .array(
    z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/, {
      error: 'a tag must be letters, digits, dots, dashes and underscores',
    }),
  )
  .min(1);
const AssignBody = z.looseObject({ target: z.string().min(1), tags: Tags });
const UpdateBody = z.looseObject({ public: z.boolean().nullish() });
const RemoveBody = z.looseObject({ name: z.string().min(1), tags: Tags });

/** `folder`: folder of the disks, for the disk size in lists. */
export function addTemplateRoutes(app: FastifyInstance, catalogue: Catalogue, folder: string): void {
  app.get('/templates', async () => catalogue.list().map((record) => templateView(record, folder)));
  app.get<{ Querystring: Record<string, string | undefined> }>('/v2/templates', async ({ query }, reply) => {
    const { records, next } = newestFirst(catalogue.list(), query);
    if (next) reply.header('x-next-token', next);
    return records.map((record) => templateView(record, folder));
  });
  app.get<{ Params: { alias: string } }>('/templates/aliases/:alias', async ({ params }) => {
    const template = catalogue.resolve(params.alias);
    if (!template) throw unknownTemplate(params.alias);
    return { templateID: template.id, public: catalogue.find(template.id)?.public ?? false };
  });
  app.get<{ Params: { template: string } }>('/templates/:template/tags', async ({ params }) => {
    const record = catalogue.find(params.template);
    if (!record) throw unknownTemplate(params.template);
    return Object.entries(record.tags).map(([tag, { buildId, createdAt }]) => ({
      tag,
      buildID: buildId,
      createdAt: new Date(createdAt).toISOString(),
    }));
  });
  for (const prefix of ['/v2', ''])
    app.patch<{ Params: { template: string } }>(`${prefix}/templates/:template`, async (request) => {
      const { template } = request.params;
      const asked = read(UpdateBody, request.body).public;
      const record =
        typeof asked === 'boolean' ? await catalogue.setPublic(template, asked) : catalogue.find(template);
      if (!record) throw unknownTemplate(template);
      return prefix ? { names: [record.name] } : null;
    });
  app.post('/templates/tags', async (request, reply) => {
    const { target, tags } = read(AssignBody, request.body);
    const { buildId } = await catalogue.assign(target, tags);
    return reply.code(201).send({ buildID: buildId, tags });
  });
  app.delete('/templates/tags', async (request, reply) => {
    const { name, tags } = read(RemoveBody, request.body);
    await catalogue.removeTags(name, tags);
    return reply.code(204).send();
  });
}

function templateView(record: TemplateRecord, folder: string) {
  return {
    templateID: record.id,
    buildID: record.tags[DEFAULT_TAG]?.buildId,
    names: [record.name],
    aliases: [record.name],
    public: record.public ?? false,
    ...sizeView(folder),
    createdAt: new Date(record.createdAt).toISOString(),
    updatedAt: new Date(record.updatedAt).toISOString(),
    createdBy: null,
    // The simulator does not count spawns.
    lastSpawnedAt: null,
    spawnCount: 0,
    buildCount: record.builds.length,
    buildStatus: 'ready',
  };
}

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  const words = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new ApiError(400, words.join('; '));
}
