// Makes sure that a sandbox runs our toolhost: templates may lack it, or have an older one. The commands that do it run
// in the sandbox, where the model may have replaced any program: only their exit codes are used.
import { readFile } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import type { ApplicationFailure } from '@temporalio/common';
import type { Sandbox } from 'e2b';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Toolhost } from '../../src/clients/toolhost.ts';
import { TOOLHOST_PORT } from '../../toolhost/protocol.ts';
import type { Deps } from '../deps.ts';
import { finalFailure } from '../errors.ts';
import { sleep } from '../sleep.ts';
import type { OpenSandboxes } from './open-sandboxes.ts';

const PROGRAM = '/opt/toolhost/toolhost.mjs';
/** Written by toolhost/journal.ts. */
const JOURNAL = '/var/lib/toolhost/calls.jsonl';
const USER = 'user';
const START_WITHIN_MS = 20_000;
const TAKEN_AFTER_MS = 2_000;
const COMMAND_MS = 30_000;
const LOOK_EVERY_MS = 100;
const NO_NODE = 90;

/**
 * Ends an older toolhost, but not the new one, which another session may have started a moment ago; makes its folders.
 * The pattern of pkill does not match the shell that runs it. Its output is discarded.
 */
const makeRoomFor = (version: string) => `exec >/dev/null 2>&1
set -e
major=$(node --version 2>/dev/null | sed 's/^v//; s/[.].*//')
[ "\${major:-0}" -ge 22 ] || exit ${NO_NODE}
node -e 'fetch("http://127.0.0.1:${TOOLHOST_PORT}/health", { redirect: "manual", signal: AbortSignal.timeout(2000) })
  .then((answer) => answer.json())
  .then(({ version }) => process.exit(Number(version) >= ${Number(version)} ? 0 : 1), () => process.exit(1))' \
  || pkill -f '^[^ ]*node [^ ]*/toolhost[.]mjs$' || true
mkdir -p /mnt/session/outputs /mnt/memory /var/lib/toolhost /var/log/toolhost
chown ${USER}: /mnt/session /mnt/session/outputs /mnt/memory
chown -R ${USER}: /var/lib/toolhost /var/log/toolhost`;

type SetupDeps = Pick<Deps, 'e2b' | 'toolhost' | 'config' | 'log'>;

/**
 * @throws SandboxHttpError where the sandbox does not let us, or an error that says what is missing in the template
 */
export async function ensureToolhost(deps: SetupDeps, sandbox: Sandbox, signal?: AbortSignal): Promise<void> {
  if ((await stateOf(deps, sandbox)) === 'current') return;
  const { sandboxId } = sandbox;
  const envd = deps.e2b.envd(sandbox);
  deps.log.info({ sandboxId }, 'uploading the toolhost');
  const made = await envd.run(makeRoomFor(deps.toolhost.version), 'root', COMMAND_MS, signal);
  if (made === NO_NODE) throw noNode(deps);
  if (made !== 0) throw new SandboxHttpError(0, `${sandboxId} cannot be prepared for the toolhost`);
  await envd.write(PROGRAM, await programOf(deps.toolhost.file), 'root', signal);
  await envd.launch(`exec node ${PROGRAM}`, USER, '/mnt/session', signal);
  for (const startedAt = Date.now(); ; ) {
    const state = await stateOf(deps, sandbox);
    if (state === 'current') return;
    // Another program has its port.
    if (Date.now() > startedAt + (state === 'unusable' ? TAKEN_AFTER_MS : START_WITHIN_MS)) {
      const message = `the toolhost of ${sandboxId} does not start: see /var/log/toolhost/worker.log in it`;
      throw new SandboxHttpError(0, message, { unusable: state === 'unusable' });
    }
    await sleep(LOOK_EVERY_MS, signal ?? Context.current().cancellationSignal);
  }
}

/**
 * The toolhost of a sandbox that was made ready before. Where an earlier attempt of this activity failed it may be dead,
 * and then it is started again.
 * @throws SandboxLost, or an error worth a retry
 */
export async function toolhostOf(
  deps: SetupDeps,
  sandboxes: OpenSandboxes,
  sandboxId: string,
): Promise<Toolhost> {
  const sandbox = await sandboxes.open(sandboxId);
  if (Context.current().info.attempt > 1) await ensureToolhost(deps, sandbox);
  return deps.e2b.toolhost(sandbox);
}

/**
 * Whether the toolhost's journal on disk knows the call. What the toolhost itself remembers says nothing of the
 * files: memory and disk of a sandbox may be resumed from different moments.
 */
export async function journalHolds({ e2b }: SetupDeps, sandbox: Sandbox, callId: string): Promise<boolean> {
  const command = `grep -qF '"${callId}"' ${JOURNAL} >/dev/null 2>&1`;
  const found = await e2b.envd(sandbox).run(command, 'root', COMMAND_MS);
  // More than 1: it could not be read.
  return found === 0;
}

/** Whether no call ever ran in this sandbox. */
export async function journalIsEmpty({ e2b }: Pick<Deps, 'e2b'>, sandbox: Sandbox): Promise<boolean> {
  return e2b.envd(sandbox).isEmpty(JOURNAL, 'root');
}

function noNode({ config }: SetupDeps): ApplicationFailure {
  return finalFailure(
    `template "${config.e2b.template}" has no Node.js 22 or newer: build the router's own with ` +
      '"npm run template" and set E2B_TEMPLATE to its name',
  );
}

/** `unusable`: something else answers on its port. */
async function stateOf(
  { e2b, toolhost }: SetupDeps,
  sandbox: Sandbox,
): Promise<'current' | 'old or stopped' | 'unusable'> {
  try {
    const { version } = await e2b.toolhost(sandbox).health();
    return Number(version) >= Number(toolhost.version) ? 'current' : 'old or stopped';
  } catch (error) {
    if (!(error instanceof SandboxHttpError)) throw error;
    return error.unusable ? 'unusable' : 'old or stopped';
  }
}

/** Read once for all sandboxes. */
const programs = new Map<string, Promise<Buffer>>();

function programOf(file: string): Promise<Buffer> {
  const known = programs.get(file) ?? readFile(file);
  programs.set(file, known);
  known.catch(() => programs.delete(file));
  return known;
}
