/** Carries out one template build in a hidden sandbox that starts with the disk of the base template. */
import { Sandbox } from 'e2b';
import { assertSupportedSteps, type BuildStep, runSteps, StepError } from './build-steps.ts';
import type { Catalogue } from './catalogue.ts';
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
  /** Hashes of the uploaded files of its COPY steps. */
  files?: string[];
  /** Why the build failed; `step` is the failed step as named by `StepError`. */
  reason?: { step?: string; message: string };
  /** Whether its template was deleted, so that its name is free again. */
  deleted?: true;
}

export interface BuildPlan {
  fromImage?: string | null;
  fromTemplate?: string | null;
  startCmd?: string | null;
  readyCmd?: string | null;
  steps: BuildStep[];
}

/** A build in progress. */
export interface Job {
  record: BuildRecord;
  plan: BuildPlan;
  /** The sandbox in which its steps run. */
  sandboxId?: string;
  /** The reason of a cancellation. */
  cancelled?: string;
  done?: Promise<void>;
}

export interface BuildTools {
  catalogue: Catalogue;
  uploads: Uploads;
  create(wanted: NewSandbox, disk?: string): Promise<SandboxRecord>;
  /** Copies the disk of a running sandbox into a folder. */
  copy(sandboxId: string, to: string): Promise<SandboxRecord>;
  kill(sandboxId: string): Promise<void>;
  /** Whether the simulator's base replaces similar images. */
  mayReplaceImages(): boolean;
  /** Whether steps that install packages are skipped. */
  maySkipPackages(): boolean;
  /** How the SDK connects to this simulator. */
  connection(): { apiKey: string; apiUrl: string; sandboxUrl: string };
}

const BASE_IMAGE = /^e2bdev\/base(?::|$)/;
/** Images whose programs the simulator's base has, too. */
const SIMILAR_IMAGES = /^(?:docker\.io\/)?(?:library\/)?(?:debian|ubuntu|python|node)(?::|$)/;
const BUILD_MS = 24 * 3_600_000;
const LOG_CHARS = 4_000;

/** Builds the template and copies its disk into the folder `disk`. Throws an error with the reason, often a StepError. */
export async function buildTemplate(job: Job, disk: string, tools: BuildTools): Promise<LocalTemplate> {
  const base = baseTemplate(job, tools);
  assertSupportedSteps(job.plan.steps, tools.maySkipPackages());
  const template = await runInSandbox(job, base, disk, tools);
  await tryStart(job, template, tools);
  assertNotCancelled(job);
  return template;
}

export function addLog(record: BuildRecord, message: string, level: 'info' | 'error'): void {
  for (const line of message.split('\n'))
    record.logs.push({ timestamp: new Date().toISOString(), level, message: line.slice(0, LOG_CHARS) });
}

function baseTemplate({ record, plan: { fromImage, fromTemplate } }: Job, tools: BuildTools): LocalTemplate {
  const isBase = !fromImage || BASE_IMAGE.test(fromImage);
  if (!isBase && tools.mayReplaceImages() && SIMILAR_IMAGES.test(fromImage))
    addLog(record, `the simulator's base takes the place of ${fromImage}, which is not fetched`, 'info');
  else if (!isBase)
    throw new StepError(
      'base',
      `the local E2B simulator cannot fetch the image '${fromImage}': start with fromBaseImage() or fromTemplate()`,
    );
  const reference = fromTemplate ?? 'base';
  const base = tools.catalogue.resolve(reference);
  if (!base) throw new StepError('base', `template '${reference}' not found`);
  return base;
}

async function runInSandbox(
  job: Job,
  base: LocalTemplate,
  disk: string,
  { create, kill, copy, connection, uploads }: BuildTools,
): Promise<LocalTemplate> {
  const { record, plan } = job;
  const { id } = await create(hiddenSandbox(base), base.disk);
  job.sandboxId = id;
  try {
    assertNotCancelled(job);
    const sandbox = await Sandbox.connect(id, { ...connection(), timeoutMs: BUILD_MS });
    const start = { env: base.env, workdir: base.workdir ?? `/home/${base.user}`, user: base.user };
    const context = await runSteps(plan.steps, start, {
      sandbox,
      archive: (hash) => uploads.use(hash),
      log: (message, level = 'info') => addLog(record, message, level),
    });
    await copy(id, disk);
    const { buildId, name, templateId } = record;
    const startCmd = plan.startCmd ?? (plan.steps.length > 0 || plan.readyCmd ? null : base.startCmd);
    const readyCmd = plan.readyCmd ?? null;
    return { ...base, ...context, id: templateId, buildId, name, disk, startCmd, readyCmd };
  } finally {
    delete job.sandboxId;
    await kill(id).catch(() => undefined);
  }
}

/** Boots the template once, so that a start command that does not become ready fails the build. */
async function tryStart(
  job: Job,
  template: LocalTemplate,
  { create, kill, catalogue }: BuildTools,
): Promise<void> {
  if (!template.startCmd && !template.readyCmd) return;
  assertNotCancelled(job);
  const removeTemporary = catalogue.addTemporarily(template);
  try {
    const { id } = await create(hiddenSandbox(template), template.disk);
    await kill(id);
  } catch (error) {
    throw new StepError('finalize', (error as Error).message);
  } finally {
    removeTemporary();
  }
}

function assertNotCancelled({ cancelled }: Job): void {
  if (cancelled) throw new Error(cancelled);
}

function hiddenSandbox({ name, buildId }: LocalTemplate): NewSandbox {
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
