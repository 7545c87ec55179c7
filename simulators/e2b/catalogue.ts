/** The templates with their builds and tags; survives restarts. */
import type { Table } from '../common/store.ts';
import { ApiError } from './api-error.ts';
import type { LocalTemplate } from './templates.ts';

export interface TemplateRecord {
  id: string;
  name: string;
  /** Whether other teams may use it; the simulator has only one team. */
  public?: boolean;
  /** Milliseconds of the simulator's clock, like all times here. */
  createdAt: number;
  updatedAt: number;
  builds: LocalTemplate[];
  tags: Record<string, { buildId: string; createdAt: number }>;
}

interface CatalogueOptions {
  table: Table<TemplateRecord>;
  save(): Promise<void>;
  now(): number;
}

export const DEFAULT_TAG = 'default';

export class Catalogue {
  readonly #options: CatalogueOptions;
  /** Builds that must start once before they are added to a template. */
  readonly #temporary = new Map<string, LocalTemplate>();

  constructor(options: CatalogueOptions) {
    this.#options = options;
  }

  /** Adds the templates of the manifests as builds with the default tag. Earlier builds keep their other tags. */
  async declare(templates: LocalTemplate[]): Promise<void> {
    const { table, now, save } = this.#options;
    for (const template of templates) {
      const { id, name, buildId } = template;
      const record = table.get(id) ?? { id, name, createdAt: now(), updatedAt: now(), builds: [], tags: {} };
      if (!record.builds.some((build) => build.buildId === buildId)) {
        record.builds.push(template);
        record.updatedAt = now();
      }
      if (record.tags[DEFAULT_TAG]?.buildId !== buildId)
        record.tags[DEFAULT_TAG] = { buildId, createdAt: now() };
      table.put(id, record);
    }
    await save();
  }

  /** Finds a template by name or id; ignores a tag in the reference. */
  find(reference: string): TemplateRecord | undefined {
    const { name } = split(reference);
    const { table } = this.#options;
    return table.get(name) ?? table.values().find((record) => record.name === name);
  }

  /** Finds a build by the name or id of its template, with a tag or the default tag, or by its own id. */
  resolve(reference: string): LocalTemplate | undefined {
    const record = this.find(reference);
    if (!record) return this.build(reference);
    const tag = record.tags[split(reference).tag];
    return tag && this.build(tag.buildId);
  }

  build(buildId: string): LocalTemplate | undefined {
    const lent = this.#temporary.get(buildId);
    if (lent) return lent;
    return this.list()
      .flatMap(({ builds }) => builds)
      .find((build) => build.buildId === buildId);
  }

  list(): TemplateRecord[] {
    return this.#options.table.values();
  }

  /** Lets sandboxes start from a build that belongs to no template yet. @returns a function that removes it again */
  addTemporarily(template: LocalTemplate): () => void {
    this.#temporary.set(template.buildId, template);
    return () => this.#temporary.delete(template.buildId);
  }

  /** Adds a finished build to a template, and moves the tags to it. */
  async add(id: string, name: string, build: LocalTemplate, tags: readonly string[]): Promise<void> {
    const { table, now } = this.#options;
    const record = table.get(id) ?? { id, name, createdAt: now(), updatedAt: now(), builds: [], tags: {} };
    record.builds.push(build);
    for (const tag of tags) record.tags[tag] = { buildId: build.buildId, createdAt: now() };
    await this.#put(record);
  }

  /** Makes a template public or private. Throws a 404, or a 403 for `base`. */
  async setPublic(reference: string, isPublic: boolean): Promise<TemplateRecord> {
    const record = this.#editable(reference);
    record.public = isPublic;
    await this.#put(record);
    return record;
  }

  /** Removes a template. Throws a 404, or a 403 for `base`. @returns its builds */
  async remove(reference: string): Promise<LocalTemplate[]> {
    const record = this.#editable(reference);
    this.#options.table.delete(record.id);
    await this.#options.save();
    return record.builds;
  }

  /** Moves tags to the build that `target` names. Throws a 404. */
  async assign(target: string, tags: string[]): Promise<LocalTemplate> {
    const build = this.resolve(target);
    const record = build && this.find(build.id);
    if (!build || !record) throw unknownTemplate(target);
    for (const tag of tags) record.tags[tag] = { buildId: build.buildId, createdAt: this.#options.now() };
    await this.#put(record);
    return build;
  }

  /** Removes all tags or, on an error, none. Throws a 404 for an unknown template or tag, a 400 for the default tag. */
  async removeTags(name: string, tags: string[]): Promise<void> {
    const record = this.find(name);
    if (!record) throw unknownTemplate(name);
    if (tags.includes(DEFAULT_TAG)) throw new ApiError(400, `the tag '${DEFAULT_TAG}' cannot be removed`);
    const missing = tags.find((tag) => !Object.hasOwn(record.tags, tag));
    if (missing !== undefined) throw new ApiError(404, `template '${name}' has no tag '${missing}'`);
    for (const tag of tags) delete record.tags[tag];
    await this.#put(record);
  }

  /** Removes all templates from the table; the caller removes their trees. */
  clear(): void {
    for (const { id } of this.list()) this.#options.table.delete(id);
  }

  #editable(reference: string): TemplateRecord {
    const record = this.find(reference);
    if (!record) throw unknownTemplate(reference);
    if (record.name === 'base') throw new ApiError(403, "the template 'base' is E2B's own");
    return record;
  }

  async #put(record: TemplateRecord): Promise<void> {
    record.updatedAt = this.#options.now();
    this.#options.table.put(record.id, record);
    await this.#options.save();
  }
}

export function unknownTemplate(reference: string): ApiError {
  return new ApiError(404, `template '${reference}' not found`);
}

function split(reference: string): { name: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  if (colon < 0) return { name: reference, tag: DEFAULT_TAG };
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}
