/**
 * The two shapes of the Skills API. Requests with the beta header `skills-2025-10-02`, which older SDKs send, get the
 * shape of the beta: versions are named by epoch microseconds. All other requests get the current one: named by id.
 */
import type { FastifyRequest } from 'fastify';
import { badRequest } from './errors.ts';
import { betasOf } from './headers.ts';
import { creationKey, type Order, type PageQuery, paginate } from './pagination.ts';
import type { SkillRecord, SkillVersionRecord } from './resource-records.ts';

export interface SkillShape {
  /** The upload field with the label of the skill; `maxLabel`: its maximal length. */
  label: 'display_name' | 'display_title';
  maxLabel: number;
  /** `newest` is absent if all versions were deleted. Throws 400 if the shape cannot show such a skill. */
  skill(skill: SkillRecord, newest: SkillVersionRecord | undefined): Record<string, unknown>;
  version(version: SkillVersionRecord): Record<string, unknown>;
  /** The name of a version in paths and in the answer to its deletion. */
  nameOf(version: SkillVersionRecord): string;
  isNamed(version: SkillVersionRecord, name: string): boolean;
  /** Whether `latest` may be retrieved as a version. */
  acceptsLatest: boolean;
  uniqueLabels: boolean;
  /** Whether the files of an upload must be in a folder with the skill's name. */
  requiresFolder: boolean;
  /** True: a skill is deleted with its versions and always keeps one. False: all versions must be deleted first. */
  ownsVersions: boolean;
  maxSkills: number;
  versionOrder: Order;
  /** Whether lists have `has_more`. */
  hasMoreField: boolean;
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
  acceptsLatest: true,
  uniqueLabels: false,
  requiresFolder: false,
  ownsVersions: true,
  maxSkills: 1000,
  versionOrder: 'desc',
  hasMoreField: false,
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
  acceptsLatest: false,
  uniqueLabels: true,
  requiresFolder: true,
  ownsVersions: false,
  maxSkills: 100,
  versionOrder: 'asc',
  hasMoreField: true,
};

/** The shape that the request's beta header selects. */
export function shapeOf(request: FastifyRequest): SkillShape {
  return betasOf(request).includes(OLDER_BETA) ? OLDER : CURRENT;
}

/** The id of a version, whether given in the current form or in that of the beta. */
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
  // Epochs have equal length and increase, so they also order versions of the same millisecond.
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
  return { data, ...(shape.hasMoreField ? { has_more: next_page !== null } : {}), next_page };
}
