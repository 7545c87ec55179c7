/** The skills of the organisation: created with their first version, resolved for agents, given out as archives. */
import { badRequest, notFound, notImplemented } from './errors.ts';
import { newId } from './ids.ts';
import type { SkillRecord, SkillReference, SkillVersionRecord } from './resource-records.ts';
import type { SkillFiles } from './skill-files.ts';
import type { State } from './state.ts';

/** Those that the real service comes with; agents may name them, their content is not here. */
const PUBLISHED_SKILLS = ['docx', 'pdf', 'pptx', 'xlsx'];

export class Skills {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Throws 404, or 501 for one of the service's own that is not here. */
  get(id: string): SkillRecord {
    const skill = this.#state.skills.get(id);
    if (skill) return skill;
    if (PUBLISHED_SKILLS.includes(id)) throw notImplemented(`the content of Anthropic's skill ${id}`);
    throw notFound('Skill', id);
  }

  /** A version by its id or, where that is allowed, as `latest`. Throws 404. */
  version(skill: SkillRecord, id: string, takesLatest = false): SkillVersionRecord {
    const wanted = id === 'latest' && takesLatest ? this.latest(skill).id : id;
    const version = this.#state.skillVersions.get(wanted);
    if (version?.skill_id !== skill.id) throw notFound('Skill version', id);
    return version;
  }

  /** All versions, oldest first; there is always one. */
  versions(skill: SkillRecord): SkillVersionRecord[] {
    return this.#state.skillVersions.values().filter((version) => version.skill_id === skill.id);
  }

  latest(skill: SkillRecord): SkillVersionRecord {
    return this.versions(skill).at(-1) as SkillVersionRecord;
  }

  async create(files: SkillFiles, displayName: string | undefined): Promise<SkillRecord> {
    const now = this.#state.clock.iso();
    const skill: SkillRecord = {
      id: newId('skill'),
      name: files.name,
      display_name: displayName ?? files.name,
      source: 'custom',
      created_at: now,
      updated_at: now,
    };
    await this.#store(skill, files);
    return skill;
  }

  /** Throws 400 when the name is another. */
  async addVersion(skill: SkillRecord, files: SkillFiles): Promise<SkillVersionRecord> {
    if (files.name !== skill.name) {
      throw badRequest(`SKILL.md: the name of skill ${skill.id} is ${skill.name}, not ${files.name}`);
    }
    skill.updated_at = this.#state.clock.iso();
    return await this.#store(skill, files);
  }

  /** Throws 400 for the only version of a skill. */
  async deleteVersion(skill: SkillRecord, version: SkillVersionRecord): Promise<void> {
    if (this.versions(skill).length === 1) {
      throw badRequest(`Skill ${skill.id} must keep one version; delete the skill instead.`);
    }
    this.#state.skillVersions.delete(version.id);
    await this.#state.blobs.delete(version.id);
  }

  async delete(skill: SkillRecord): Promise<void> {
    for (const version of this.versions(skill)) {
      this.#state.skillVersions.delete(version.id);
      await this.#state.blobs.delete(version.id);
    }
    this.#state.skills.delete(skill.id);
  }

  /** Makes it one of the service's own, under the name that agents know it by. */
  publish(skill: SkillRecord, id: string): SkillRecord {
    const published: SkillRecord = { ...skill, id, source: 'anthropic' };
    for (const version of this.versions(skill)) {
      this.#state.skillVersions.put(version.id, Object.assign(version, { skill_id: id }));
    }
    this.#state.skills.delete(skill.id);
    return this.#state.skills.put(id, published);
  }

  /** The archive is there before the record that tells of it. */
  async #store(skill: SkillRecord, files: SkillFiles): Promise<SkillVersionRecord> {
    const version: SkillVersionRecord = {
      id: newId('skver'),
      skill_id: skill.id,
      name: files.name,
      description: files.description,
      created_at: this.#state.clock.iso(),
    };
    await this.#state.blobs.put(version.id, files.archive);
    this.#state.skills.put(skill.id, skill);
    return this.#state.skillVersions.put(version.id, version);
  }
}

/** Throws 400 for a skill or version that does not exist. */
export function checkSkills(state: State, references: SkillReference[] | undefined): void {
  for (const [index, { type, skill_id, version }] of (references ?? []).entries()) {
    const skill = state.skills.get(skill_id);
    if (!skill && type === 'anthropic' && PUBLISHED_SKILLS.includes(skill_id)) continue;
    if (skill?.source !== type) throw badRequest(`skills.${index}: there is no ${type} skill ${skill_id}`);
    const known = version === 'latest' || state.skillVersions.get(version)?.skill_id === skill_id;
    if (!known) throw badRequest(`skills.${index}: skill ${skill_id} has no version ${version}`);
  }
}
