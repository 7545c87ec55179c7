/**
 * Builds of templates: requested, given files, started, and looked at until they are ready. Each is made in a sandbox
 * of its own that no list shows, from the disk of the template it begins with.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Sandbox } from 'e2b';
import type { Table } from '../common/store.ts';
import { ApiError } from './api-error.ts';
import { type BuildStep, refuseSteps, runSteps, StepError } from './build-steps.ts';
import { type Catalogue, DEFAULT_TAG, unknownTemplate } from './catalogue.ts';
import { removeTree } from './isolation/owner.ts';
import type { NewSandbox, SandboxRecord } from './record.ts';
import type { LocalTemplate } from './templates.ts';
import type { Uploads } from './uploads.ts';

export interface BuildRecord {
  buildId: string;
  templateId: string;
  name: string;
  tags: string[];
  status: 'waiting' | 'building' | 'ready' | 'error';
  logs: { timestamp: string; level: 'info' | 'error'; message: string }[];
  /** Hashes of the files of its COPY steps. */
  files?: string[];
  /** The step that failed, as `StepError` names it; none if something else ended the build. */
  reason?: { step?: string; message: string };
  /** Its template was deleted: the name is free. */
  deleted?: true;
}

export interface BuildPlan {
  fromImage?: string | null;
  fromTemplate?: string | null;
  startCmd?: string | null;
  readyCmd?: string | null;
  steps: BuildStep[];
}

interface BuildsOptions {
  table: Table<BuildRecord>;
  save(): Promise<void>;
  catalogue: Catalogue;
  /** Of disks. */
  folder: string;
  uploads: Uploads;
  create(wanted: NewSandbox, disk?: string): Promise<SandboxRecord>;
  /** Copies the disk of a running sandbox into a folder. */
  copy(sandboxId: string, to: string): Promise<SandboxRecord>;
  kill(sandboxId: string): Promise<void>;
  /** Whether the base stands in for images that are like it. */
  mayReplaceImages(): boolean;
  /** Whether steps that install packages are left out. */
  maySkipPackages(): boolean;
  /** How the SDK reaches this simulator. */
  connection(): { apiKey: string; apiUrl: string; sandboxUrl: string };
}

const BASE_IMAGE = /^e2bdev\/base(?::|$)/;
/** Of what they hold the base has something like it. */
const SIMILAR_IMAGES = /^(?:docker\.io\/)?(?:library\/)?(?:debian|ubuntu|python|node)(?::|$)/;
const BUILD_MS = 24 * 3_600_000;
const LOG_CHARS = 4_000;
const ENDED = 'the simulator ended before the build did';
const SUPERSEDED = 'The build was canceled because it was superseded by a newer one.';

/** A build that is under way. */
interface Job {
  record: BuildRecord;
  plan: BuildPlan;
  /** Where its steps are carried out. */
  sandboxId?: string;
  /** Why it does not go on. */
  cut?: string;
  done?: Promise<void>;
}

export class Builds {
  readonly #options: BuildsOptions;
  readonly #jobs = new Map<string, Job>();

  constructor(options: BuildsOptions) {
    this.#options = options;
  }

  /** @param name with a tag if wanted. Throws a 400. */
  async request(name: string, tags: string[]): Promise<BuildRecord> {
    const { table, save, catalogue } = this.#options;
    const [bare = '', tag] = name.split(':');
    if (bare === 'base') throw new ApiError(403, "the template 'base' is E2B's own");
    const all = [...new Set([...(tag ? [tag] : []), ...tags])];
    const buildId = randomUUID();
    // The name is its template's from the first request on.
    const [earlier] = this.#of(bare);
    const record = table.put(buildId, {
      buildId,
      templateId: catalogue.find(bare)?.id ?? earlier?.templateId ?? randomBytes(10).toString('hex'),
      name: bare,
      tags: all.length > 0 ? all : [DEFAULT_TAG],
      status: 'waiting',
      logs: [],
    });
    await this.#displace(record, 'waiting', SUPERSEDED);
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

  /** Begins a build that waits, and ends those under way for one of its tags. Throws a 404, a 400 if it does not wait. */
  async start(templateId: string, buildId: string, plan: BuildPlan): Promise<void> {
    const record = this.get(templateId, buildId);
    if (record.status !== 'waiting') throw new ApiError(400, 'build is not in waiting state');
    record.status = 'building';
    record.files = plan.steps.flatMap(({ filesHash }) => filesHash ?? []);
    const job: Job = { record, plan };
    this.#jobs.set(buildId, job);
    await this.#displace(record, 'building', 'build was cancelled');
    await this.#options.save();
    job.done = this.#build(job).finally(() => this.#jobs.delete(buildId));
  }

  /** Ends the builds of a template that is deleted, by its id or name. @returns whether there was any */
  async abandon(reference: string, why: string): Promise<boolean> {
    const { table, save } = this.#options;
    const builds = this.#of(reference);
    for (const record of builds) table.put(record.buildId, Object.assign(record, { deleted: true }));
    for (const record of builds.filter(isOpen)) await this.#cut(record, why);
    await save();
    return builds.length > 0;
  }

  /** Removes the files that only the builds of this template use. */
  async releaseFiles(templateId: string): Promise<void> {
    const { table, uploads } = this.#options;
    const builds = table.values().filter((record) => record.templateId === templateId);
    for (const hash of this.#freed(builds)) await uploads.remove(hash);
  }

  /** What an earlier process left unfinished has failed; disks that no template has are removed. */
  async adopt(): Promise<void> {
    const { folder, catalogue, table, uploads } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const kept = new Set(catalogue.list().flatMap(({ builds }) => builds.map(({ disk }) => disk)));
    for (const name of await readdir(folder))
      if (!kept.has(join(folder, name))) await removeTree(join(folder, name));
    await uploads.adopt(new Set(table.values().flatMap(({ files }) => files ?? [])));
    for (const record of table.values()) if (isOpen(record)) await this.#cut(record, ENDED);
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const { record } of jobs) await this.#cut(record, ENDED);
    await Promise.all(jobs.map(({ done }) => done));
  }

  /** Builds of a template that is not deleted, by its id or name. */
  #of(reference: string): BuildRecord[] {
    return this.#options.table
      .values()
      .filter(
        ({ deleted, templateId, name }) => !deleted && (templateId === reference || name === reference),
      );
  }

  /** Ends other builds of the template that are in this state and would take a tag of this one. */
  async #displace({ buildId, templateId, tags }: BuildRecord, state: BuildRecord['status'], why: string) {
    for (const other of this.#of(templateId))
      if (other.buildId !== buildId && other.status === state && other.tags.some((tag) => tags.includes(tag)))
        await this.#cut(other, why);
  }

  #disk({ buildId }: BuildRecord): string {
    return join(this.#options.folder, buildId);
  }

  async #build(job: Job): Promise<void> {
    const { record, plan } = job;
    try {
      const from = this.#beginning(record, plan);
      refuseSteps(plan.steps, this.#options.maySkipPackages());
      const template = await this.#make(job, from);
      await this.#try(job, template);
      assertGoesOn(job);
      await this.#options.catalogue.add(record.templateId, record.name, template, record.tags);
      await this.#end(record);
    } catch (error) {
      await removeTree(this.#disk(record));
      if (job.cut) return;
      const step = error instanceof StepError ? { step: error.step } : {};
      await this.#end(record, { ...step, message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #cut(record: BuildRecord, why: string): Promise<void> {
    const job = this.#jobs.get(record.buildId);
    if (job) job.cut = why;
    await this.#end(record, { message: why });
    if (job?.sandboxId) await this.#options.kill(job.sandboxId).catch(() => undefined);
  }

  #beginning(record: BuildRecord, { fromImage, fromTemplate }: BuildPlan): LocalTemplate {
    const { mayReplaceImages } = this.#options;
    const isBase = !fromImage || BASE_IMAGE.test(fromImage);
    if (!isBase && mayReplaceImages() && SIMILAR_IMAGES.test(fromImage))
      this.#log(record, `the simulator's base takes the place of ${fromImage}, which is not fetched`, 'info');
    else if (!isBase)
      throw new StepError(
        'base',
        `the image '${fromImage}' cannot be fetched by the local E2B simulator: begin with fromBaseImage() or fromTemplate()`,
      );
    const reference = fromTemplate ?? 'base';
    const from = this.#options.catalogue.resolve(reference);
    if (!from) throw new StepError('base', `template '${reference}' not found`);
    return from;
  }

  /** Carries the steps out and keeps the disk. */
  async #make(job: Job, from: LocalTemplate): Promise<LocalTemplate> {
    const { create, kill, copy, connection, uploads } = this.#options;
    const { record, plan } = job;
    const { id } = await create(hidden(from), from.disk);
    job.sandboxId = id;
    try {
      assertGoesOn(job);
      const sandbox = await Sandbox.connect(id, { ...connection(), timeoutMs: BUILD_MS });
      const start = { env: from.env, workdir: from.workdir ?? `/home/${from.user}`, user: from.user };
      const context = await runSteps(plan.steps, start, {
        sandbox,
        archive: (hash) => uploads.use(hash),
        log: (message, level = 'info') => this.#log(record, message, level),
      });
      const disk = this.#disk(record);
      await copy(id, disk);
      const { buildId, name, templateId } = record;
      const startCmd = plan.startCmd ?? (plan.steps.length > 0 || plan.readyCmd ? null : from.startCmd);
      const readyCmd = plan.readyCmd ?? null;
      return { ...from, ...context, id: templateId, buildId, name, disk, startCmd, readyCmd };
    } finally {
      delete job.sandboxId;
      await kill(id).catch(() => undefined);
    }
  }

  /** Boots it once, so that a start command that does not get ready fails the build. */
  async #try(job: Job, template: LocalTemplate): Promise<void> {
    if (!template.startCmd && !template.readyCmd) return;
    assertGoesOn(job);
    const { create, kill, catalogue } = this.#options;
    const withdraw = catalogue.lend(template);
    try {
      const { id } = await create(hidden(template), template.disk);
      await kill(id);
    } catch (error) {
      throw new StepError('finalize', (error as Error).message);
    } finally {
      withdraw();
    }
  }

  #log(record: BuildRecord, message: string, level: 'info' | 'error'): void {
    for (const line of message.split('\n'))
      record.logs.push({ timestamp: new Date().toISOString(), level, message: line.slice(0, LOG_CHARS) });
  }

  /** @returns hashes of the files that nothing but these builds used; they use none any more */
  #freed(records: readonly BuildRecord[]): Iterable<string> {
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
    if (reason) for (const hash of this.#freed([record])) this.#options.uploads.expire(hash);
    this.#log(record, reason ? reason.message : 'Build finished', reason ? 'error' : 'info');
    this.#options.table.put(record.buildId, record);
    await this.#options.save();
  }
}

function isOpen({ status }: BuildRecord): boolean {
  return status === 'waiting' || status === 'building';
}

function assertGoesOn({ cut }: Job): void {
  if (cut) throw new Error(cut);
}

/** A sandbox that no list shows. */
function hidden({ name, buildId }: LocalTemplate): NewSandbox {
  return {
    template: name,
    buildId,
    metadata: {},
    env: {},
    timeoutMs: BUILD_MS,
    onTimeout: 'kill',
    keepMemory: true,
    autoResume: false,
    allowPublicTraffic: false,
    open: false,
    allowInternetAccess: null,
    network: null,
    hidden: true,
  };
}
