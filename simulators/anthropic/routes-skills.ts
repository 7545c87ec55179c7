/**
 * Routes of the skills and their versions: `/v1/skills…`. Fields of the API before 2026-10-21 are given as well:
 * `display_title`, `latest_version`, a version's `version` and `directory`, a list's `has_more`.
 */
import type { FastifyInstance } from 'fastify';
import { badRequest } from './errors.ts';
import { uploadOf } from './multipart.ts';
import { creationKey, type PageQuery, paginate } from './pagination.ts';
import type { SkillRecord, SkillVersionRecord } from './resource-records.ts';
import type { Service } from './service.ts';
import { readSkill } from './skill-files.ts';

interface OfSkill {
  Params: { skill_id: string };
}
interface OfVersion {
  Params: { skill_id: string; version: string };
}

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;
const MAX_DISPLAY_NAME = 255;
/** A worker downloads the skills of its session with whichever credential it has. */
const readers = ['organization', 'environment', 'session'] as const;
/** The SDK sends no beta header here, older ones send one of their own. */
const betas: readonly string[] = [];

export function skillRoutes(app: FastifyInstance, { state, skills }: Service): void {
  const one = '/v1/skills/:skill_id';
  const oneVersion = `${one}/versions/:version`;

  app.post('/v1/skills', { config: { fault: 'skills.create', betas } }, async (request) => {
    const upload = uploadOf(request.body);
    const name = upload.fields.get('display_name') ?? upload.fields.get('display_title');
    if (name !== undefined && (name === '' || name.length > MAX_DISPLAY_NAME || /[\r\n]/.test(name))) {
      throw badRequest(`display_name: must be one line of 1 to ${MAX_DISPLAY_NAME} characters`);
    }
    return skillView(await skills.create(readSkill(upload), name));
  });

  app.get<{ Querystring: PageQuery & { source?: string } }>(
    '/v1/skills',
    { config: { fault: 'skills.list', betas } },
    async ({ query }) => {
      const wanted = query.source || undefined;
      const found = state.skills.values().filter((skill) => wanted === undefined || skill.source === wanted);
      const page = paginate(found, creationKey, 'desc', query, DEFAULT_PAGE, MAX_PAGE);
      const { next_page } = page;
      return { data: page.data.map(skillView), next_page, has_more: next_page !== null };
    },
  );

  app.get<OfSkill>(one, { config: { fault: 'skills.retrieve', betas } }, async ({ params }) =>
    skillView(skills.get(params.skill_id)),
  );

  app.delete<OfSkill>(one, { config: { fault: 'skills.delete', betas } }, async ({ params }) => {
    const skill = skills.get(params.skill_id);
    mustBeCustom(skill);
    await skills.delete(skill);
    return { id: skill.id, type: 'skill_deleted' };
  });

  app.post<OfSkill>(
    `${one}/versions`,
    { config: { fault: 'skills.versions.create', betas } },
    async (request) => {
      const skill = skills.get(request.params.skill_id);
      mustBeCustom(skill);
      return versionView(await skills.addVersion(skill, readSkill(uploadOf(request.body))));
    },
  );

  app.get<OfSkill & { Querystring: PageQuery }>(
    `${one}/versions`,
    { config: { fault: 'skills.versions.list', betas } },
    async ({ params, query }) => {
      const found = skills.versions(skills.get(params.skill_id));
      const page = paginate(found, creationKey, 'desc', query, DEFAULT_PAGE, MAX_PAGE);
      const { next_page } = page;
      return { data: page.data.map(versionView), next_page, has_more: next_page !== null };
    },
  );

  app.get<OfVersion>(
    oneVersion,
    { config: { fault: 'skills.versions.retrieve', betas, accepts: readers } },
    async ({ params }) => versionView(skills.version(skills.get(params.skill_id), params.version, true)),
  );

  app.get<OfVersion>(
    `${oneVersion}/content`,
    { config: { fault: 'skills.versions.download', betas, accepts: readers } },
    async ({ params }, reply) => {
      const version = skills.version(skills.get(params.skill_id), params.version);
      return reply
        .type('application/zip')
        .header('content-disposition', `attachment; filename="${version.name}.zip"`)
        .send(await state.blobs.get(version.id));
    },
  );

  app.delete<OfVersion>(
    oneVersion,
    { config: { fault: 'skills.versions.delete', betas } },
    async ({ params }) => {
      const skill = skills.get(params.skill_id);
      mustBeCustom(skill);
      const version = skills.version(skill, params.version);
      await skills.deleteVersion(skill, version);
      return { id: version.id, type: 'skill_version_deleted' };
    },
  );

  function skillView(skill: SkillRecord): Record<string, unknown> {
    const { name, source, ...shown } = skill;
    const latest = skills.latest(skill).id;
    return {
      ...shown,
      type: 'skill',
      latest_version_id: latest,
      source: { type: source },
      display_title: skill.display_name,
      latest_version: latest,
    };
  }
}

function versionView(version: SkillVersionRecord): Record<string, unknown> {
  return { ...version, type: 'skill_version', version: version.id, directory: version.name };
}

function mustBeCustom(skill: SkillRecord): void {
  if (skill.source !== 'custom') throw badRequest(`Skill ${skill.id} is Anthropic's and read-only.`);
}
