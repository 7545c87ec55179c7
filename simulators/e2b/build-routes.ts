/** Control plane: routes that build templates. */
import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Builds } from './builds.ts';
import { parse } from './create-params.ts';
import { LEVELS } from './logs.ts';
import type { BuildRecord } from './template-build.ts';
import type { Uploads } from './uploads.ts';

interface ByBuild {
  Params: { template: string; build: string };
}

/** Clients upload files here without an API key: the token in the URL authorises them. */
export const UPLOADS = '/_uploads';
const LOGS_AT_ONCE = 100;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._/-]*(?::[a-zA-Z0-9][a-zA-Z0-9._-]{0,127})?$/;
const RequestBody = z.looseObject({
  name: z
    .string()
    .regex(NAME, { error: 'must be a name of letters, digits, dots and dashes, with a tag if wanted' }),
  tags: z.array(z.string().min(1)).nullish(),
});
const StartBody = z.looseObject({
  fromImage: z.string().nullish(),
  fromTemplate: z.string().nullish(),
  startCmd: z.string().nullish(),
  readyCmd: z.string().nullish(),
  steps: z
    .array(
      z.looseObject({
        type: z.string(),
        args: z.array(z.string()).default([]),
        filesHash: z.string().nullish(),
      }),
    )
    .default([]),
});

const StatusQuery = z.looseObject({
  logsOffset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(0).max(LOGS_AT_ONCE).default(LOGS_AT_ONCE),
  level: z.enum(LEVELS).default('debug'),
});

export function addBuildRoutes(
  app: FastifyInstance,
  builds: Builds,
  uploads: Uploads,
  url: () => string,
): void {
  app.post('/v3/templates', async (request, reply) => {
    const { name, tags } = parse(RequestBody, request.body);
    const record = await builds.request(name, tags ?? []);
    return reply.code(202).send({
      templateID: record.templateId,
      buildID: record.buildId,
      names: [record.name],
      aliases: [record.name],
      tags: record.tags,
      public: builds.isPublic(record.templateId),
    });
  });
  app.get<{ Params: { template: string; hash: string } }>(
    '/templates/:template/files/:hash',
    async ({ params }, reply) => {
      builds.assertRequested(params.template);
      const { present, token } = uploads.offer(params.hash);
      return reply.code(201).send({ present, url: `${url()}${UPLOADS}/${token}` });
    },
  );
  app.post<ByBuild>('/v2/templates/:template/builds/:build', async ({ params, body }, reply) => {
    await builds.start(
      params.template,
      params.build,
      parse(StartBody, body) as Parameters<Builds['start']>[2],
    );
    return reply.code(202).send();
  });
  app.get<ByBuild>('/templates/:template/builds/:build/status', async ({ params, query }) =>
    statusView(builds.get(params.template, params.build), parse(StatusQuery, query)),
  );
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.put<{ Params: { token: string } }>(`${UPLOADS}/:token`, async (request, reply) => {
      const bytes = Number(request.headers['content-length'] ?? Number.NaN);
      await uploads.receive(request.params.token, (request.body ?? request.raw) as Readable, bytes);
      return reply.code(200).send();
    });
  });
}

function statusView(
  { templateId, buildId, status, logs, reason }: BuildRecord,
  { logsOffset, limit, level }: z.infer<typeof StatusQuery>,
) {
  const logEntries = logs
    .filter((entry) => LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level))
    .slice(logsOffset, logsOffset + limit);
  return {
    templateID: templateId,
    buildID: buildId,
    status,
    logs: logEntries.map(({ message }) => message),
    logEntries,
    ...(reason
      ? { reason: { ...reason, logEntries: logs.filter(({ level }) => level === 'error').slice(-1) } }
      : {}),
  };
}
