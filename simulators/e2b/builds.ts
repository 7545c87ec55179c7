/**
 * Builds of templates: requested, given files, started, and looked at until they are ready. Each is made in a sandbox
 * of its own that no list shows, from the disk of the template it begins with.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Sandbox } from 'e2b';
import type { Table } from '../common/store.ts';
import { ApiError } from './api-error.ts';
import { type BuildStep, refuseSteps, runSteps, StepError } from './build-steps.ts';
import { type Catalogue, DEFAULT_TAG, unknownTemplate } from './catalogue.ts';
import { removeTree } from './isolation/owner.ts';
import type { NewSandbox, SandboxRecord } from './record.ts';
import type { LocalTemplate } from './templates.ts';

export interface BuildRecord {
  buildId: string;
  templateId: string;
  name: string;
  tags: string[];
  status: 'waiting' | 'building' | 'ready' | 'error';
  logs: { timestamp: string; level: 'info' | 'error'; message: string }[];
  /** `step` counts from 1; 0 is what the template begins with. */
  reason?: { step: string; message: string };
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
  /** Of disks and of uploaded files. */
  folder: string;
  create(wanted: NewSandbox, disk?: string): Promise<SandboxRecord>;
  /** Copies the disk of a running sandbox into a folder. */
  copy(sandboxId: string, to: string): Promise<SandboxRecord>;
  kill(sandboxId: string): Promise<void>;
  /** Whether the base stands in for images that are like it. */
  mayReplaceImages(): boolean;
  /** How the SDK reaches this stand-in. */
  connection(): { apiKey: string; apiUrl: string; sandboxUrl: string };
}

const BASE_IMAGE = /^e2bdev\/base(?::|$)/;
/** Of what they hold the base has something like it. */
const SIMILAR_IMAGES = /^(?:docker\.io\/)?(?:library\/)?(?:debian|ubuntu|python|node)(?::|$)/;
const HASH = /^[A-Za-z0-9_-]{1,128}$/;
const FILES = 'files';
const BUILD_MS = 24 * 3_600_000;
const LOG_CHARS = 4_000;

export class Builds {
  readonly #options: BuildsOptions;
  /** Where a file may be put, by the token that its address carries. */
  readonly #uploads = new Map<string, string>();

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
    const record = table.put(buildId, {
      buildId,
      templateId: catalogue.find(bare)?.id ?? randomBytes(10).toString('hex'),
      name: bare,
      tags: all.length > 0 ? all : [DEFAULT_TAG],
      status: 'waiting',
      logs: [],
    });
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

  /** Where the files with this hash go: a token that is good until the stand-in ends. Throws a 400, a 404. */
  upload(templateId: string, hash: string): { present: boolean; token: string } {
    if (!this.#options.table.values().some((one) => one.templateId === templateId))
      throw unknownTemplate(templateId);
    if (!HASH.test(hash)) throw new ApiError(400, 'the hash of the files must be letters and digits');
    const token = randomBytes(24).toString('hex');
    const file = this.#file(hash);
    this.#uploads.set(token, file);
    return { present: existsSync(file), token };
  }

  /** Stores what was uploaded. Throws a 404 for an unknown address, a 400 unless all of it came. */
  async receive(token: string, content: Readable, bytes: number): Promise<void> {
    const file = this.#uploads.get(token);
    if (!file) throw new ApiError(404, 'there is no such address for files, or it has expired');
    const part = `${file}.${token}`;
    const out = createWriteStream(part);
    try {
      await pipeline(content, out);
      if (out.bytesWritten !== bytes)
        throw new ApiError(400, `${bytes} bytes were announced, and ${out.bytesWritten} came`);
      await rename(part, file);
    } finally {
      await rm(part, { force: true });
    }
  }

  /** Begins a build that waits. Throws a 404, a 409 if it was begun before. */
  async start(templateId: string, buildId: string, plan: BuildPlan): Promise<void> {
    const record = this.get(templateId, buildId);
    if (record.status !== 'waiting') throw new ApiError(409, `the build '${buildId}' was started before`);
    record.status = 'building';
    await this.#options.save();
    void this.#build(record, plan);
  }

  /** What an earlier process left unfinished has failed; disks that no template has are removed. */
  async adopt(): Promise<void> {
    const { folder, catalogue, table } = this.#options;
    await mkdir(join(folder, FILES), { recursive: true });
    const kept = new Set(catalogue.list().flatMap(({ builds }) => builds.map(({ disk }) => disk)));
    for (const name of await readdir(folder))
      if (name !== FILES && !kept.has(join(folder, name))) await removeTree(join(folder, name));
    for (const record of table.values())
      if (record.status === 'building' || record.status === 'waiting')
        await this.#end(record, { step: '0', message: 'the stand-in ended before the build did' });
  }

  #disk({ buildId }: BuildRecord): string {
    return join(this.#options.folder, buildId);
  }

  #file(hash: string): string {
    return join(this.#options.folder, FILES, hash);
  }

  async #build(record: BuildRecord, plan: BuildPlan): Promise<void> {
    try {
      const from = this.#beginning(record, plan);
      refuseSteps(plan.steps);
      const template = await this.#make(record, plan, from);
      await this.#try(template);
      await this.#options.catalogue.add(record.templateId, record.name, template, record.tags);
      await this.#end(record);
    } catch (error) {
      await removeTree(this.#disk(record));
      const step = error instanceof StepError ? error.step : 0;
      const message = error instanceof Error ? error.message : String(error);
      await this.#end(record, { step: String(step), message });
    }
  }

  #beginning(record: BuildRecord, { fromImage, fromTemplate }: BuildPlan): LocalTemplate {
    const { mayReplaceImages } = this.#options;
    const isBase = !fromImage || BASE_IMAGE.test(fromImage);
    if (!isBase && mayReplaceImages() && SIMILAR_IMAGES.test(fromImage))
      this.#log(record, `the stand-in's base takes the place of ${fromImage}, which is not fetched`, 'info');
    else if (!isBase)
      throw new Error(
        `the image '${fromImage}' cannot be fetched by the local stand-in of E2B: begin with fromBaseImage() or fromTemplate()`,
      );
    const reference = fromTemplate ?? 'base';
    const from = this.#options.catalogue.resolve(reference);
    if (!from) throw new Error(`template '${reference}' not found`);
    return from;
  }

  /** Carries the steps out and keeps the disk. */
  async #make(record: BuildRecord, plan: BuildPlan, from: LocalTemplate): Promise<LocalTemplate> {
    const { create, kill, copy, connection } = this.#options;
    const { id } = await create(hidden(from), from.disk);
    try {
      const sandbox = await Sandbox.connect(id, { ...connection(), timeoutMs: BUILD_MS });
      const start = { env: from.env, workdir: from.workdir ?? `/home/${from.user}`, user: from.user };
      const context = await runSteps(plan.steps, start, {
        sandbox,
        archive: (hash) => (HASH.test(hash) && existsSync(this.#file(hash)) ? this.#file(hash) : undefined),
        log: (message, level = 'info') => this.#log(record, message, level),
      });
      const disk = this.#disk(record);
      await copy(id, disk);
      const { buildId, name, templateId } = record;
      const startCmd = plan.startCmd ?? (plan.steps.length > 0 || plan.readyCmd ? null : from.startCmd);
      const readyCmd = plan.readyCmd ?? null;
      return { ...from, ...context, id: templateId, buildId, name, disk, startCmd, readyCmd };
    } finally {
      await kill(id).catch(() => undefined);
    }
  }

  /** Boots it once, so that a start command that does not get ready fails the build. */
  async #try(template: LocalTemplate): Promise<void> {
    if (!template.startCmd && !template.readyCmd) return;
    const { create, kill, catalogue } = this.#options;
    const withdraw = catalogue.lend(template);
    try {
      const { id } = await create(hidden(template), template.disk);
      await kill(id);
    } finally {
      withdraw();
    }
  }

  #log(record: BuildRecord, message: string, level: 'info' | 'error'): void {
    for (const line of message.split('\n'))
      record.logs.push({ timestamp: new Date().toISOString(), level, message: line.slice(0, LOG_CHARS) });
  }

  async #end(record: BuildRecord, reason?: BuildRecord['reason']): Promise<void> {
    record.status = reason ? 'error' : 'ready';
    if (reason) record.reason = reason;
    this.#log(record, reason ? reason.message : 'Build finished', reason ? 'error' : 'info');
    this.#options.table.put(record.buildId, record);
    await this.#options.save();
  }
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
    allowInternetAccess: null,
    network: null,
    hidden: true,
  };
}
