// Makes sure that a sandbox runs our toolhost: templates may lack it, or have an older one.
import { readFile } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { CommandExitError, type Sandbox } from 'e2b';
import { type Toolhost, ToolhostError } from '../../src/clients/toolhost.ts';
import { TOOLHOST_PORT } from '../../toolhost/protocol.ts';
import type { Deps } from '../deps.ts';
import { FINAL } from '../errors.ts';
import type { OpenSandboxes } from './open-sandboxes.ts';

const PROGRAM = '/opt/toolhost/toolhost.mjs';
/** Written by toolhost/journal.ts. */
const JOURNAL = '/var/lib/toolhost/calls.jsonl';
const USER = 'user';
const START_WITHIN_MS = 20_000;
const NO_NODE = 90;

/**
 * Ends an older toolhost, not one that another session's attempt has just started; makes the folders that the new one
 * needs. The pattern spares the shell that runs it.
 */
const makeRoomFor = (version: string) => `set -e
major=$(node --version 2>/dev/null | sed 's/^v//; s/[.].*//')
[ "\${major:-0}" -ge 22 ] || exit ${NO_NODE}
node -e 'fetch("http://127.0.0.1:${TOOLHOST_PORT}/health", { signal: AbortSignal.timeout(2000) })
  .then((answer) => answer.json())
  .then(({ version }) => process.exit(Number(version) >= ${Number(version)} ? 0 : 1), () => process.exit(1))' \
  || pkill -f '^[^ ]*node [^ ]*/toolhost[.]mjs$' || true
mkdir -p /mnt/session/outputs /mnt/memory /var/lib/toolhost /var/log/toolhost
chown ${USER}: /mnt/session /mnt/session/outputs /mnt/memory
chown -R ${USER}: /var/lib/toolhost /var/log/toolhost`;

type SetupDeps = Pick<Deps, 'e2b' | 'toolhost' | 'config' | 'log'>;

/** @throws an error that says what is missing in the template, or why the toolhost does not start */
export async function ensureToolhost(deps: SetupDeps, sandbox: Sandbox): Promise<void> {
  if (await isCurrent(deps, sandbox)) return;
  const { sandboxId } = sandbox;
  deps.log.info({ sandboxId }, 'uploading the toolhost');
  await makeRoom(deps, sandbox);
  const program = await readFile(deps.toolhost.file);
  await sandbox.files.write(PROGRAM, new Blob([new Uint8Array(program)]), { user: 'root' });
  // Without a time limit of its own the command would be killed after a minute.
  const options = { background: true, timeoutMs: 0, user: USER, cwd: '/mnt/session' } as const;
  const started = await sandbox.commands.run(`exec node ${PROGRAM}`, options);
  // An open stream would wake the sandbox again the moment it is paused.
  started.wait().catch(() => undefined);
  await started.disconnect();
  for (const until = Date.now() + START_WITHIN_MS; !(await isCurrent(deps, sandbox)); await settle()) {
    if (Date.now() > until)
      throw new Error(`the toolhost of ${sandboxId} does not start: see /var/log/toolhost/worker.log in it`);
  }
}

/**
 * The toolhost of a sandbox that was made ready before. Where an earlier attempt of this activity failed it may be dead,
 * and then it is started again.
 * @throws SandboxGone, or an error worth a retry
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
export async function journalHolds(sandbox: Sandbox, callId: string): Promise<boolean> {
  try {
    await sandbox.commands.run(`grep -qF '"${callId}"' ${JOURNAL}`, { user: 'root' });
    return true;
  } catch (error) {
    if (error instanceof CommandExitError) return false;
    throw error;
  }
}

/** Whether no call ever ran in this sandbox. */
export async function journalIsEmpty(sandbox: Sandbox): Promise<boolean> {
  const { stdout } = await sandbox.commands.run(`test -s ${JOURNAL} && echo used || true`, { user: 'root' });
  return stdout === '';
}

async function makeRoom({ config, toolhost }: SetupDeps, sandbox: Sandbox): Promise<void> {
  try {
    await sandbox.commands.run(makeRoomFor(toolhost.version), { user: 'root' });
  } catch (error) {
    if (!(error instanceof CommandExitError) || error.exitCode !== NO_NODE) throw error;
    throw ApplicationFailure.create({
      type: FINAL,
      nonRetryable: true,
      message:
        `template "${config.e2b.template}" has no Node.js 22 or newer: build the router's own with ` +
        '"npm run template" and set E2B_TEMPLATE to its name',
    });
  }
}

async function isCurrent({ e2b, toolhost }: SetupDeps, sandbox: Sandbox): Promise<boolean> {
  try {
    const { version } = await e2b.toolhost(sandbox).health();
    return Number(version) >= Number(toolhost.version);
  } catch (error) {
    if (error instanceof ToolhostError) return false;
    throw error;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}
