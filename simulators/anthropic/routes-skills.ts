/** Routes of the skills and their versions: `/v1/skills…`, in both shapes of the API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { badRequest } from './errors.ts';
import { type Upload, uploadOf } from './multipart.ts';
import type { PageQuery } from './pagination.ts';
import type { SkillRecord } from './resource-records.ts';
import type { Service } from './service.ts';
import { readSkill } from './skill-files.ts';
import { pageOfSkills, pageOfVersions, type SkillShape, shapeOf } from './skill-shapes.ts';

interface OfSkill {
  Params: { skill_id: string };
}
interface OfVersion {
  Params: { skill_id: string; version: string };
}

/** A worker may find and download its session's skills with any credential. */
const readers = ['organization', 'environment', 'session'] as const;
/** No beta header is required: current SDKs send none, and the header of older SDKs selects the older shape. */
const betas: readonly string[] = [];

export function skillRoutes(app: FastifyInstance, { state, skills }: Service): void {
  const itemPath = '/v1/skills/:skill_id';
  const oneVersion = `${itemPath}/versions/:version`;

  const show = (skill: SkillRecord, shape: SkillShape) => shape.skill(skill, skills.latest(skill));
  const versionOf = (request: FastifyRequest<OfVersion>) =>
    skills.version(skills.get(request.params.skill_id), request.params.version, shapeOf(request));

  app.post('/v1/skills', { config: { fault: 'skills.create', betas } }, async (request) => {
    const shape = shapeOf(request);
    const upload = uploadOf(request.body);
    const label = labelOf(upload, shape);
    if (shape.uniqueLabels && label && skills.isTitled(label)) {
      throw badRequest(`display_title: there is a skill titled ${label} already`);
    }
    return show(await skills.create(readSkill(upload, shape.requiresFolder), label), shape);
  });

  app.get<{ Querystring: PageQuery & { source?: string } }>(
    '/v1/skills',
    { config: { fault: 'skills.list', betas } },
    async (request) => {
      const shape = shapeOf(request);
      const wanted = request.query.source || undefined;
      const found = state.skills
        .values()
        .filter((skill) => wanted === undefined || skill.source === wanted)
        .filter((skill) => !shape.ownsVersions || skills.latest(skill) !== undefined);
      return pageOfSkills(shape, found, request.query, (skill) => show(skill, shape));
    },
  );

  app.get<OfSkill>(itemPath, { config: { fault: 'skills.retrieve', betas } }, async (request) =>
    show(skills.get(request.params.skill_id), shapeOf(request)),
  );

  app.delete<OfSkill>(itemPath, { config: { fault: 'skills.delete', betas } }, async (request) => {
    const skill = skills.get(request.params.skill_id);
    mustBeCustom(skill);
    if (!shapeOf(request).ownsVersions && skills.latest(skill)) {
      throw badRequest(`Skill ${skill.id} has versions; delete them first.`);
    }
    await skills.delete(skill);
    return { id: skill.id, type: 'skill_deleted' };
  });

  app.post<OfSkill>(
    `${itemPath}/versions`,
    { config: { fault: 'skills.versions.create', betas } },
    async (request) => {
      const shape = shapeOf(request);
      const skill = skills.get(request.params.skill_id);
      mustBeCustom(skill);
      const files = readSkill(uploadOf(request.body), shape.requiresFolder);
      return shape.version(await skills.addVersion(skill, files));
    },
  );

  app.get<OfSkill & { Querystring: PageQuery }>(
    `${itemPath}/versions`,
    { config: { fault: 'skills.versions.list', betas, accepts: readers } },
    async (request) => {
      const found = skills.versions(skills.get(request.params.skill_id));
      return pageOfVersions(shapeOf(request), found, request.query);
    },
  );

  app.get<OfVersion>(
    oneVersion,
    { config: { fault: 'skills.versions.retrieve', betas, accepts: readers } },
    async (request) => {
      const shape = shapeOf(request);
      const { skill_id, version } = request.params;
      const newest =
        shape.acceptsLatest && version === 'latest' ? skills.latest(skills.get(skill_id)) : undefined;
      return shape.version(newest ?? versionOf(request));
    },
  );

  app.get<OfVersion>(
    `${oneVersion}/content`,
    { config: { fault: 'skills.versions.download', betas, accepts: readers } },
    async (request, reply) => {
      const version = versionOf(request);
      return reply
        .type('application/zip')
        .header('content-disposition', `attachment; filename="${version.name}.zip"`)
        .send(await state.blobs.get(version.id));
    },
  );

  app.delete<OfVersion>(
    oneVersion,
    { config: { fault: 'skills.versions.delete', betas } },
    async (request) => {
      const shape = shapeOf(request);
      const skill = skills.get(request.params.skill_id);
      mustBeCustom(skill);
      const version = versionOf(request);
      if (shape.ownsVersions && skills.versions(skill).length === 1) {
        throw badRequest(`Skill ${skill.id} must keep one version; delete the skill instead.`);
      }
      await skills.deleteVersion(version);
      return { id: shape.nameOf(version), type: 'skill_version_deleted' };
    },
  );
}

/** Throws 400. */
function labelOf(upload: Upload, { label, maxLabel }: SkillShape): string | undefined {
  const text = upload.fields.get(label);
  if (text === undefined || (text !== '' && text.length <= maxLabel && !/[\r\n]/.test(text))) return text;
  throw badRequest(`${label}: must be one line of 1 to ${maxLabel} characters`);
}

function mustBeCustom(skill: SkillRecord): void {
  if (skill.source !== 'custom') throw badRequest(`Skill ${skill.id} is Anthropic's and read-only.`);
}
