/** The skills of the organisation and their versions. */
import { badRequest, notFound, notImplemented } from './errors.ts';
import { newId } from './ids.ts';
import type { SkillRecord, SkillReference, SkillVersionRecord } from './resource-records.ts';
import type { SkillFiles } from './skill-files.ts';
import { currentId, type SkillShape } from './skill-shapes.ts';
import type { State } from './state.ts';

/** Skills of the real service. Agents may name them, but the simulator does not have their content. */
const PUBLISHED_SKILLS = ['docx', 'pdf', 'pptx', 'xlsx'];

export class Skills {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Throws 404, or 501 for a skill of the real service. */
  get(id: string): SkillRecord {
    const skill = this.#state.skills.get(id);
    if (skill) return skill;
    if (PUBLISHED_SKILLS.includes(id)) throw notImplemented(`the content of Anthropic's skill ${id}`);
    throw notFound('Skill', id);
  }

  /** The version with this name in this shape of the API. Throws 404. */
  version(skill: SkillRecord, name: string, shape: SkillShape): SkillVersionRecord {
    const version = this.versions(skill).find((one) => shape.isNamed(one, name));
    if (!version) throw notFound('Skill version', name);
    return version;
  }

  /** All versions, oldest first. May be empty: the API's beta allows deleting the last one. */
  versions(skill: SkillRecord): SkillVersionRecord[] {
    return versionsOf(this.#state, skill.id);
  }

  latest(skill: SkillRecord): SkillVersionRecord | undefined {
    return this.versions(skill).at(-1);
  }

  isTitled(title: string): boolean {
    return this.#state.skills.values().some(({ display_title }) => display_title === title);
  }

  async create(files: SkillFiles, label: string | undefined): Promise<SkillRecord> {
    const now = this.#state.clock.iso();
    const skill: SkillRecord = {
      id: newId('skill'),
      name: files.name,
      display_title: label ?? null,
      source: 'custom',
      created_at: now,
      updated_at: now,
    };
    await this.#store(skill, files);
    return skill;
  }

  /** Throws 400 if the files have another skill's name. */
  async addVersion(skill: SkillRecord, files: SkillFiles): Promise<SkillVersionRecord> {
    if (files.name !== skill.name) {
      throw badRequest(`SKILL.md: the name of skill ${skill.id} is ${skill.name}, not ${files.name}`);
    }
    skill.updated_at = this.#state.clock.iso();
    return await this.#store(skill, files);
  }

  async deleteVersion(version: SkillVersionRecord): Promise<void> {
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

  /** Turns a custom skill into one of Anthropic's, with this id. */
  publish(skill: SkillRecord, id: string): SkillRecord {
    const published: SkillRecord = { ...skill, id, source: 'anthropic' };
    for (const version of this.versions(skill)) {
      this.#state.skillVersions.put(version.id, Object.assign(version, { skill_id: id }));
    }
    this.#state.skills.delete(skill.id);
    return this.#state.skills.put(id, published);
  }

  /** Stores the archive before the record: a crash in between must not leave a record without an archive. */
  async #store(skill: SkillRecord, files: SkillFiles): Promise<SkillVersionRecord> {
    const before = Number(this.latest(skill)?.epoch ?? 0);
    const version: SkillVersionRecord = {
      id: newId('skver'),
      epoch: String(Math.max(this.#state.clock.now() * 1000, before + 1)),
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
    const versions = versionsOf(state, skill_id);
    const known = versions.some(({ id, epoch }) => id === currentId(version) || epoch === version);
    if (!known && !(version === 'latest' && versions.length > 0))
      throw badRequest(`skills.${index}: skill ${skill_id} has no version ${version}`);
  }
}

function versionsOf(state: State, skill: string): SkillVersionRecord[] {
  return state.skillVersions.values().filter((version) => version.skill_id === skill);
}
