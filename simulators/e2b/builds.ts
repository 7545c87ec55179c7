/**
 * Template builds from the client's view: request, upload files, start, poll until ready. `template-build.ts` carries
 * a build out.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Table } from '../common/store.ts';
import { ApiError } from './api-error.ts';
import { StepError } from './build-steps.ts';
import { DEFAULT_TAG, unknownTemplate } from './catalogue.ts';
import { removeTree } from './isolation/owner.ts';
import {
  addLog,
  type BuildPlan,
  type BuildRecord,
  type BuildTools,
  buildTemplate,
  type Job,
} from './template-build.ts';

interface BuildsOptions extends BuildTools {
  table: Table<BuildRecord>;
  save(): Promise<void>;
  /** Folder of the disks of builds. */
  folder: string;
}

const ENDED = 'the simulator ended before the build did';
const SUPERSEDED = 'The build was canceled because it was superseded by a newer one.';

export class Builds {
  readonly #options: BuildsOptions;
  readonly #jobs = new Map<string, Job>();

  constructor(options: BuildsOptions) {
    this.#options = options;
  }

  /** Registers a build that waits for its start. `name` may include a tag. Throws a 403 for `base`. */
  async request(name: string, tags: string[]): Promise<BuildRecord> {
    const { table, save, catalogue } = this.#options;
    const [bare = '', tag] = name.split(':');
    if (bare === 'base') throw new ApiError(403, "the template 'base' is E2B's own");
    const all = [...new Set([...(tag ? [tag] : []), ...tags])];
    const buildId = randomUUID();
    // All builds with this name belong to one template, even before the first is ready.
    const [earlier] = this.#buildsOf(bare);
    const record = table.put(buildId, {
      buildId,
      templateId: catalogue.find(bare)?.id ?? earlier?.templateId ?? randomBytes(10).toString('hex'),
      name: bare,
      tags: all.length > 0 ? all : [DEFAULT_TAG],
      status: 'waiting',
      logs: [],
    });
    await this.#supersede(record, 'waiting', SUPERSEDED);
    await save();
    return record;
  }

  /** Throws a 404. */
  get(templateId: string, buildId: string): BuildRecord {
    const record = this.#options.table.get(buildId);
    if (record?.templateId !== templateId)
      throw new ApiError(404, `there is no build '${buildId}' of '${templateId}'`);
    return record;
  }

  isPublic(templateId: string): boolean {
    return this.#options.catalogue.find(templateId)?.public ?? false;
  }

  /** Throws a 404 if no build of this template was requested. */
  assertRequested(templateId: string): void {
    if (!this.#options.table.values().some((one) => one.templateId === templateId))
      throw unknownTemplate(templateId);
  }

  /** Starts a waiting build and cancels running builds with one of its tags. Throws a 404, or a 400 if it is not waiting. */
  async start(templateId: string, buildId: string, plan: BuildPlan): Promise<void> {
    const record = this.get(templateId, buildId);
    if (record.status !== 'waiting') throw new ApiError(400, 'build is not in waiting state');
    record.status = 'building';
    record.files = plan.steps.flatMap(({ filesHash }) => filesHash ?? []);
    const job: Job = { record, plan };
    this.#jobs.set(buildId, job);
    await this.#supersede(record, 'building', 'build was cancelled');
    await this.#options.save();
    job.done = this.#build(job).finally(() => this.#jobs.delete(buildId));
  }

  /** Cancels all builds of a deleted template, given by id or name. @returns whether it had any */
  async cancelAll(reference: string, why: string): Promise<boolean> {
    const { table, save } = this.#options;
    const builds = this.#buildsOf(reference);
    for (const record of builds) table.put(record.buildId, Object.assign(record, { deleted: true }));
    for (const record of builds.filter(isOpen)) await this.#cancel(record, why);
    await save();
    return builds.length > 0;
  }

  /** Removes the files that only the builds of this template use. */
  async releaseFiles(templateId: string): Promise<void> {
    const { table, uploads } = this.#options;
    const builds = table.values().filter((record) => record.templateId === templateId);
    for (const hash of this.#dropFiles(builds)) await uploads.remove(hash);
  }

  /** After a restart: fails unfinished builds, and removes disks that belong to no template. */
  async adopt(): Promise<void> {
    const { folder, catalogue, table, uploads } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const kept = new Set(catalogue.list().flatMap(({ builds }) => builds.map(({ disk }) => disk)));
    for (const name of await readdir(folder))
      if (!kept.has(join(folder, name))) await removeTree(join(folder, name));
    await uploads.adopt(new Set(table.values().flatMap(({ files }) => files ?? [])));
    for (const record of table.values()) if (isOpen(record)) await this.#cancel(record, ENDED);
  }

  /** Cancels all running builds. */
  async close(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const { record } of jobs) await this.#cancel(record, ENDED);
    await Promise.all(jobs.map(({ done }) => done));
  }

  /** Builds of an existing template, given by id or name. */
  #buildsOf(reference: string): BuildRecord[] {
    return this.#options.table
      .values()
      .filter(
        ({ deleted, templateId, name }) => !deleted && (templateId === reference || name === reference),
      );
  }

  /** Cancels other builds of the template in this state that have a tag in common. */
  async #supersede({ buildId, templateId, tags }: BuildRecord, state: BuildRecord['status'], why: string) {
    for (const other of this.#buildsOf(templateId))
      if (other.buildId !== buildId && other.status === state && other.tags.some((tag) => tags.includes(tag)))
        await this.#cancel(other, why);
  }

  #disk({ buildId }: BuildRecord): string {
    return join(this.#options.folder, buildId);
  }

  async #build(job: Job): Promise<void> {
    const { record } = job;
    try {
      const template = await buildTemplate(job, this.#disk(record), this.#options);
      await this.#options.catalogue.add(record.templateId, record.name, template, record.tags);
      await this.#end(record);
    } catch (error) {
      await removeTree(this.#disk(record));
      if (job.cancelled) return;
      const step = error instanceof StepError ? { step: error.step } : {};
      await this.#end(record, { ...step, message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #cancel(record: BuildRecord, why: string): Promise<void> {
    const job = this.#jobs.get(record.buildId);
    if (job) job.cancelled = why;
    await this.#end(record, { message: why });
    if (job?.sandboxId) await this.#options.kill(job.sandboxId).catch(() => undefined);
  }

  /** Removes the files from these builds. @returns hashes of the files that no other build uses */
  #dropFiles(records: readonly BuildRecord[]): Iterable<string> {
    const { table } = this.#options;
    const hashes = new Set(records.flatMap(({ files }) => files ?? []));
    for (const record of records) {
      delete record.files;
      table.put(record.buildId, record);
    }
    for (const { files } of table.values()) for (const hash of files ?? []) hashes.delete(hash);
    return hashes;
  }

  async #end(record: BuildRecord, reason?: BuildRecord['reason']): Promise<void> {
    record.status = reason ? 'error' : 'ready';
    if (reason) record.reason = reason;
    if (reason) for (const hash of this.#dropFiles([record])) this.#options.uploads.expire(hash);
    addLog(record, reason ? reason.message : 'Build finished', reason ? 'error' : 'info');
    this.#options.table.put(record.buildId, record);
    await this.#options.save();
  }
}

function isOpen({ status }: BuildRecord): boolean {
  return status === 'waiting' || status === 'building';
}
