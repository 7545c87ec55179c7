// Copies a session's outputs to a permanent store before its sandbox is killed.
import { Context } from '@temporalio/activity';
import { excerpt } from '../../src/clients/excerpt.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { OutputStore } from '../../src/outputs/store.ts';
import type { Activities } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import { heartbeatNow } from '../heartbeat.ts';
import { type OpenSandboxes, SandboxLost } from '../sandbox/open-sandboxes.ts';
import { ensureToolhost } from '../sandbox/toolhost-setup.ts';
import { copyFiles } from './copy-files.ts';
import { usableNames } from './names.ts';
import { type Progress, progressOf, recordProblem } from './progress.ts';

/** Time that one file may take: the sandbox is kept running for it. */
const FILE_MS = 10 * 60_000;
/** Limits on attempts that failed because of unusable answers of the sandbox, and because of the sandbox at all. */
const MAX_UNUSABLE = 6;
const MAX_FAILURES = 30;

export function createCopyOutputs(deps: Deps, sandboxes: OpenSandboxes): Pick<Activities, 'copyOutputs'> {
  return {
    /** Copies the files below `/mnt/session/outputs`. Safe to retry: a later attempt goes on where this one ended. */
    copyOutputs: defineActivity(async (args) => {
      const store = deps.outputs;
      // A retry may reach a worker that has the setting: the worker that started the session has it.
      if (!store) throw new Error('this worker does not know where outputs go: set OUTPUTS_TARGET');
      const progress = progressOf(Context.current().info.heartbeatDetails);
      try {
        await ensureToolhost(deps, await sandboxes.open(args.sandboxId, FILE_MS));
        heartbeatNow(() => progress);
        await copyAll(deps, sandboxes, args, store, progress);
      } catch (error) {
        sandboxes.forget(args.sandboxId);
        if (error instanceof SandboxLost) return { outcome: 'sandbox lost' };
        const over = isOver(error, progress);
        Context.current().heartbeat(progress);
        if (!over) throw error;
        recordProblem(progress, `what is left is not copied: ${(error as Error).message}`);
      }
      const { files, bytes, problems } = progress;
      const { sessionId } = args;
      deps.log.info({ sessionId, target: store.target, files, bytes, problems }, 'outputs copied');
      return { outcome: 'copied', target: store.target, files, bytes, problems };
    }),
  };
}

/** Counts an attempt that failed because of the sandbox. @returns whether it was the last one */
function isOver(error: unknown, progress: Progress): boolean {
  if (!(error instanceof SandboxHttpError)) return false;
  progress.failures += 1;
  if (error.unusable) progress.unusable += 1;
  return progress.unusable >= MAX_UNUSABLE || progress.failures >= MAX_FAILURES;
}

async function copyAll(
  deps: Deps,
  sandboxes: OpenSandboxes,
  { sessionId, environmentId, sandboxId }: Parameters<Activities['copyOutputs']>[0],
  store: OutputStore,
  progress: Progress,
): Promise<void> {
  const toolhost = async () => deps.e2b.toolhost(await sandboxes.open(sandboxId, FILE_MS));
  const { files, complete, unusable } = await (await toolhost()).outputs();
  const problem = (what: string) => recordProblem(progress, what);
  const { names, unfit, excess } = usableNames(files);
  for (const { name, why } of unfit) problem(`${JSON.stringify(excerpt(name, 100))} ${why}`);
  if (unusable > 0) problem(`${unusable} entries in the list of files say nothing that can be used`);
  const left = names.filter((path) => path > progress.after);
  await copyFiles({ toolhost, store, sessionId, prefix: `${environmentId}/${sessionId}`, progress }, left);
  if (!complete || excess > 0) problem('there are more files than are looked at: some are not copied');
}
