// What a session has put out, copied to where it stays before its sandbox is killed.
import { Context } from '@temporalio/activity';
import { type Toolhost, ToolhostError } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import type { OutputStore } from '../../src/outputs/store.ts';
import { guard, heartbeatWith } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { type OpenSandboxes, SandboxGone } from '../sandbox/open-sandboxes.ts';
import { ensureToolhost } from '../sandbox/toolhost-setup.ts';

export interface CopyArgs {
  sessionId: string;
  environmentId: string;
  sandboxId: string;
}

export type Copied =
  /** `problems`: files that stay behind, and why; bounded. */
  | { outcome: 'copied'; target: string; files: number; bytes: number; problems: string[] }
  | { outcome: 'sandbox gone' };

/** How far a copy is: the next attempt goes on behind it. */
interface Progress {
  after: string;
  files: number;
  bytes: number;
  problems: string[];
}

/** One file has so long before its sandbox may time out. */
const FILE_MS = 10 * 60_000;
/** Of one session; the sandbox says how much it sends, and the sandbox is not trusted. */
const MAX_BYTES = 20 * 1024 ** 3;
const MAX_PATH_BYTES = 900;
const PROBLEMS_KEPT = 10;

export function createCopyOutputs(deps: Deps, sandboxes: OpenSandboxes) {
  return {
    /** Copies the files below `/mnt/session/outputs`. Safe to retry: a later attempt goes on where this one ended. */
    copyOutputs: guard(async (args: CopyArgs): Promise<Copied> => {
      const store = deps.outputs;
      // Another worker may have it: the session was told by one that has.
      if (!store) throw new Error('this worker does not know where outputs go: set OUTPUTS_TARGET');
      const progress = progressOf(Context.current().info.heartbeatDetails);
      try {
        await ensureToolhost(deps, await sandboxes.open(args.sandboxId, FILE_MS));
        heartbeatWith(() => progress);
        await copyAll(deps, sandboxes, args, store, progress);
      } catch (error) {
        sandboxes.forget(args.sandboxId);
        if (error instanceof SandboxGone) return { outcome: 'sandbox gone' };
        Context.current().heartbeat(progress);
        throw error;
      }
      const { files, bytes, problems } = progress;
      deps.log.info({ sessionId: args.sessionId, target: store.target, files, bytes }, 'outputs copied');
      return { outcome: 'copied', target: store.target, files, bytes, problems };
    }),
  };
}

async function copyAll(
  deps: Deps,
  sandboxes: OpenSandboxes,
  { sessionId, environmentId, sandboxId }: CopyArgs,
  store: OutputStore,
  progress: Progress,
): Promise<void> {
  const toolhost = async () => deps.e2b.toolhost(await sandboxes.open(sandboxId, FILE_MS));
  const { files, complete } = await (await toolhost()).outputs();
  const problem = (what: string) => {
    if (progress.problems.length < PROBLEMS_KEPT) progress.problems.push(what.slice(0, 300));
  };
  const left = files.filter(({ path }) => path > progress.after).sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path } of left) {
    if (isClean(path)) {
      const key = `${environmentId}/${sessionId}/${path}`;
      await copyOne(await toolhost(), store, path, key, progress, problem);
      failpoint('output-copied', sessionId);
    } else problem(`${JSON.stringify(path.slice(0, 100))} cannot be the name of a copy`);
    progress.after = path;
  }
  if (!complete) problem('there are more files than are looked at: some are not copied');
}

async function copyOne(
  toolhost: Toolhost,
  store: OutputStore,
  path: string,
  key: string,
  progress: Progress,
  problem: (what: string) => void,
): Promise<void> {
  const { cancellationSignal: signal } = Context.current();
  let opened: Awaited<ReturnType<Toolhost['openOutput']>>;
  try {
    opened = await toolhost.openOutput(path, signal);
  } catch (error) {
    if (!(error instanceof ToolhostError) || classify(error).kind === 'retry') throw error;
    return problem(`${path}: ${error.message}`);
  }
  const { size, content } = opened;
  if (progress.bytes + size > MAX_BYTES) {
    await content.cancel();
    return problem(`${path}: beyond the ${MAX_BYTES / 1024 ** 3} GiB that are copied of a session`);
  }
  try {
    await store.put(key, content, signal);
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be copied to ${store.target} (OUTPUTS_TARGET): ${reason}`);
  }
  progress.files += 1;
  progress.bytes += size;
}

/** The name comes from the sandbox: it must not lead anywhere else. */
function isClean(path: string): boolean {
  const parts = path.split('/');
  return (
    Buffer.byteLength(path) <= MAX_PATH_BYTES &&
    !/[\0\\]/.test(path) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255)
  );
}

function progressOf(details: unknown): Progress {
  const said = details as Partial<Progress> | null | undefined;
  const whole =
    typeof said?.after === 'string' &&
    typeof said.files === 'number' &&
    typeof said.bytes === 'number' &&
    Array.isArray(said.problems);
  return whole ? { ...(said as Progress) } : { after: '', files: 0, bytes: 0, problems: [] };
}
