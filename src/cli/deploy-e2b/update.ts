// `deploy e2b update`: another version of the router in the same sandbox. The address and the database stay.
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { Sandbox } from 'e2b';
import { HOME_FOLDER } from '../../inside-e2b/layout.ts';
import { routerCommand } from '../../program-name.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { Dialog } from '../setup/dialog.ts';
import { explainE2BError } from '../setup/templates.ts';
import { type PackedRelease, packRelease } from './release.ts';
import { connectRouter, oneRouter, quote } from './router-sandbox.ts';
import { NO_KEYS, type RouterState, readState, startAgain, untilState } from './state.ts';
import { type TargetOptions, targetOf } from './target.ts';

export interface UpdateOptions extends TargetOptions {
  sandbox?: string;
  package?: string;
}

const UNPACK_WITHIN_MS = 5 * 60_000;
/** The worker hands over its calls first, for up to 45 s. */
const RUNS_WITHIN_MS = 150_000;
const STAYS_AWAKE_MS = 15 * 60_000;

export async function update(
  context: CommandContext,
  options: UpdateOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = context.output();
  const dialog = new Dialog(output, true);
  const target = targetOf(context, options);
  const router = await oneRouter(target, options.sandbox);
  dialog.begin('managed-agents-router deploy e2b update');
  const release = await packRelease(options.package, (line) => dialog.begins(line), signal);
  const sandbox = await connectRouter(target, router.sandboxId, STAYS_AWAKE_MS);
  const before = await readState(sandbox);
  const result = { sandboxId: router.sandboxId, from: before?.release ?? null, to: release.id };
  if (before?.release === release.id) {
    if (!before.lives) {
      dialog.begins('Its processes have ended: starting them again');
      await startAgain(sandbox);
    }
    if (!(await untilRuns(sandbox, release.id, true, () => true, signal)))
      throw new CommandError(doesNotRun(release.id), EXIT.failed);
    dialog.end(`The sandbox ${router.sandboxId} runs ${release.id} ${before.lives ? 'already' : 'again'}`);
  } else {
    dialog.begins(`Sending ${release.id} to the sandbox ${router.sandboxId}`);
    try {
      await unpack(sandbox, release);
      signal.throwIfAborted();
      dialog.begins('Starting it; running calls are handed over');
      if (!(await switchTo(sandbox, release.id, before, signal)))
        throw await takenBack(sandbox, release.id, before, signal);
    } catch (error) {
      throw signal.aborted ? error : explainE2BError(error);
    }
    dialog.end(`The sandbox ${router.sandboxId} runs ${release.id}; address and database are as before`);
  }
  if (output.json) output.result(result, () => '');
}

async function unpack(sandbox: Sandbox, { id, file }: PackedRelease): Promise<void> {
  const archive = `${HOME_FOLDER}/release.tar.gz`;
  const stream = Readable.toWeb(createReadStream(file)) as ReadableStream;
  await sandbox.files.write(archive, stream, { useOctetStream: true });
  const folder = `${HOME_FOLDER}/versions/${id}`;
  const steps = [
    `rm -rf ${folder}.new`,
    `mkdir -p ${folder}.new`,
    `tar -xzf ${archive} -C ${folder}.new`,
    `rm -rf ${folder} ${archive}`,
    `mv ${folder}.new ${folder}`,
  ];
  await sandbox.commands.run(steps.join(' && '), { timeoutMs: UNPACK_WITHIN_MS });
}

/** @returns whether the new supervisor runs, and its worker too unless there are no keys yet */
async function switchTo(
  sandbox: Sandbox,
  id: string,
  before: RouterState | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  // Its loop starts what the link leads to then. Only the two versions concerned are kept.
  const others = `find ${HOME_FOLDER}/versions -mindepth 1 -maxdepth 1 ! -name ${quote(id)} ! -name ${quote(before?.release ?? id)}`;
  const steps = [
    `ln -sfn versions/${id} ${HOME_FOLDER}/current`,
    `${others} -exec rm -rf {} +`,
    ...(before?.lives ? [`kill -TERM ${before.pid} || true`] : []),
  ];
  await sandbox.commands.run(steps.join(' && '));
  if (!before?.lives) await startAgain(sandbox);
  const isNew = ({ pid }: RouterState) => !before?.lives || pid !== before.pid;
  return untilRuns(sandbox, id, before?.worker === NO_KEYS, isNew, signal);
}

/** @param mayLackKeys without keys no worker ran before */
async function untilRuns(
  sandbox: Sandbox,
  release: string,
  mayLackKeys: boolean,
  isNew: (state: RouterState) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const runs = (state: RouterState) =>
    state.lives &&
    state.release === release &&
    isNew(state) &&
    (state.worker === 'runs' || (mayLackKeys && state.worker === NO_KEYS));
  const state = await untilState(sandbox, runs, RUNS_WITHIN_MS, signal);
  return state !== undefined && runs(state);
}

function doesNotRun(id: string): string {
  return `The version ${id} does not run. Its logs: ${routerCommand('deploy e2b logs supervisor')}, and logs worker`;
}

/** @returns the error that says so */
async function takenBack(
  sandbox: Sandbox,
  id: string,
  before: RouterState | undefined,
  signal: AbortSignal,
): Promise<CommandError> {
  const failed = doesNotRun(id);
  if (!before) return new CommandError(failed, EXIT.failed);
  const runs = await switchTo(sandbox, before.release, await readState(sandbox), signal);
  const now = runs
    ? `The sandbox runs ${before.release} again`
    : `${before.release} does not start again either`;
  return new CommandError(`${failed}. ${now}`, EXIT.failed);
}
