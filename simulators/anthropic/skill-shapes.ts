/**
 * The two shapes of the Skills API. A request with the beta header `skills-2025-10-02`, which older SDKs send, is
 * answered in the shape of the beta: versions are named by epoch microseconds. All others have today's: by their ids.
 */
import type { FastifyRequest } from 'fastify';
import { badRequest } from './errors.ts';
import { betasOf } from './headers.ts';
import { creationKey, type Order, type PageQuery, paginate } from './pagination.ts';
import type { SkillRecord, SkillVersionRecord } from './resource-records.ts';

export interface SkillShape {
  /** The field of an upload that labels the skill, and its longest value. */
  label: 'display_name' | 'display_title';
  maxLabel: number;
  /** `newest` is absent when all versions were deleted. Throws 400 where such a skill cannot be shown. */
  skill(skill: SkillRecord, newest: SkillVersionRecord | undefined): Record<string, unknown>;
  version(version: SkillVersionRecord): Record<string, unknown>;
  /** What names a version in paths and in the answer to its deletion. */
  nameOf(version: SkillVersionRecord): string;
  isNamed(version: SkillVersionRecord, name: string): boolean;
  /** Whether `latest` names a version where one is retrieved. */
  takesLatest: boolean;
  uniqueLabels: boolean;
  /** Whether an upload must lie in a folder of the skill's name. */
  wantsFolder: boolean;
  /** Whether a skill goes together with its versions and keeps one; if not, each must go first, and the last may. */
  ownsVersions: boolean;
  maxSkills: number;
  versionOrder: Order;
  /** Whether lists have `has_more`. */
  tellsMore: boolean;
}

const OLDER_BETA = 'skills-2025-10-02';
const DEFAULT_PAGE = 20;
const MAX_VERSIONS = 1000;

const CURRENT: SkillShape = {
  label: 'display_name',
  maxLabel: 255,
  skill({ id, name, display_title, source, created_at, updated_at }, newest) {
    if (!newest) throw badRequest(`Skill ${id} has no version; upload one.`);
    return {
      id,
      type: 'skill',
      display_name: display_title ?? name,
      latest_version_id: newest.id,
      source: { type: source },
      created_at,
      updated_at,
    };
  },
  version: ({ epoch, ...shown }) => ({ ...shown, type: 'skill_version' }),
  nameOf: ({ id }) => id,
  isNamed: ({ id }, name) => id === currentId(name),
  takesLatest: true,
  uniqueLabels: false,
  wantsFolder: false,
  ownsVersions: true,
  maxSkills: 1000,
  versionOrder: 'desc',
  tellsMore: false,
};

const OLDER: SkillShape = {
  label: 'display_title',
  maxLabel: 64,
  skill: ({ id, display_title, source, created_at, updated_at }, newest) => ({
    id,
    type: 'skill',
    display_title,
    latest_version: newest?.epoch ?? null,
    source,
    created_at,
    updated_at,
  }),
  version: ({ id, epoch, ...shown }) => ({
    ...shown,
    id: id.replace(/^skver_/, 'skill_version_'),
    type: 'skill_version',
    version: epoch,
    directory: shown.name,
  }),
  nameOf: ({ epoch }) => epoch,
  isNamed: ({ epoch }, name) => epoch === name,
  takesLatest: false,
  uniqueLabels: true,
  wantsFolder: true,
  ownsVersions: false,
  maxSkills: 100,
  versionOrder: 'asc',
  tellsMore: true,
};

/** The shape that a request asks for. */
export function shapeOf(request: FastifyRequest): SkillShape {
  return betasOf(request).includes(OLDER_BETA) ? OLDER : CURRENT;
}

/** The id of a version, also of one as the beta gave it out. */
export function currentId(name: string): string {
  return name.replace(/^skill_version_/, 'skver_');
}

export function pageOfSkills(
  shape: SkillShape,
  skills: readonly SkillRecord[],
  query: PageQuery,
  show: (skill: SkillRecord) => unknown,
): Record<string, unknown> {
  const page = paginate(skills, creationKey, 'desc', query, DEFAULT_PAGE, shape.maxSkills);
  return listed(shape, page.data.map(show), page.next_page);
}

export function pageOfVersions(
  shape: SkillShape,
  versions: readonly SkillVersionRecord[],
  query: PageQuery,
): Record<string, unknown> {
  // Their epochs have one length and grow: two versions of one millisecond stay in order.
  const page = paginate(
    versions,
    ({ epoch }) => epoch,
    shape.versionOrder,
    query,
    DEFAULT_PAGE,
    MAX_VERSIONS,
  );
  return listed(shape, page.data.map(shape.version), page.next_page);
}

function listed(shape: SkillShape, data: unknown[], next_page: string | null): Record<string, unknown> {
  return { data, ...(shape.tellsMore ? { has_more: next_page !== null } : {}), next_page };
}
