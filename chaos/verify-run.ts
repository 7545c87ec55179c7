// Verifies all records of a finished run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findSecret, forEachLog, historyText, secretsOf } from '../harness/secrets.ts';
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW, sessionWorkflowId } from '../workflows/messages.ts';
import { type Disk, filesContaining, liveSandboxes, namesIn, readDisks, workItems } from './evidence.ts';
import { type Run, readRuns, replayAll } from './histories.ts';
import { type Loss, realLosses } from './recovery.ts';
import type { RunResult } from './run.ts';
import { type CallTally, emptyTally, type Finding, verifySession } from './verify-session.ts';
import { outputsDir } from './world.ts';

export interface Verification {
  findings: Finding[];
  tally: CallTally;
  runs: Run[];
  disks: Disk[];
  losses: Loss[];
}

export async function verifyRun(
  world: World,
  stateDir: string,
  { sessions, kills, recovery, redirected }: RunResult,
): Promise<Verification> {
  const disks = readDisks(stateDir, await liveSandboxes(world));
  const runs = await readRuns(world.temporal.client);
  const tally = emptyTally();
  const copied = join(outputsDir(stateDir), world.simulators.anthropic.environmentId);
  const outputs = namesIn(copied).flatMap((owner) => namesIn(join(copied, owner)));
  const findings = sessions.flatMap((session) => {
    // The kill of a shared sandbox has no session id: it affects every session.
    const killsSeen = kills.map((kill) => ({ sessionId: session.id ?? '', ...kill }));
    const ours = disks.filter(({ sessionId }) => sessionId === session.id || sessionId === '');
    return verifySession(session, ours, outputs, killsSeen, tally);
  });
  for (const what of redirected) findings.push({ counter: 'redirects followed', sessionId: null, what });
  findings.push(
    ...(await leftOver(world)),
    ...runs.flatMap(verifyWorkflow),
    ...credentials(world, stateDir, runs),
  );
  for (const { run, why } of await replayAll(runs)) {
    findings.push({ counter: 'histories that do not replay', sessionId: sessionOf(run), what: why });
  }
  return { findings, tally, runs, disks, losses: realLosses(recovery.losses, runs) };
}

async function leftOver(world: World): Promise<Finding[]> {
  const sandboxes = (await liveSandboxes(world)).map(
    ({ id, state, metadata }): Finding => ({
      counter: 'sandboxes left over',
      sessionId: metadata.session ?? null,
      what: `${id} is ${state}`,
    }),
  );
  const items = (await workItems(world))
    .filter(({ state }) => state !== 'stopped')
    .map(
      ({ id, state, data }): Finding => ({
        counter: 'work items left over',
        sessionId: data.id,
        what: `${id} is ${state}`,
      }),
    );
  return [...sandboxes, ...items];
}

function verifyWorkflow(run: Run): Finding[] {
  const find = (what: string): Finding[] => [
    { counter: 'workflows failed or stuck', sessionId: sessionOf(run), what: `${run.workflowId} ${what}` },
  ];
  if (!['RUNNING', 'COMPLETED', 'CONTINUED_AS_NEW'].includes(run.status)) return find(`is ${run.status}`);
  if (run.taskAttempts > 1) return find(`has a workflow task that failed ${run.taskAttempts - 1} times`);
  // All sessions have been ended; only the environment workflow keeps running.
  if (run.status === 'RUNNING' && run.type === SESSION_WORKFLOW) return find('is still open');
  return [];
}

function credentials(world: World, stateDir: string, runs: Run[]): Finding[] {
  const known = secretsOf(world);
  const findings: Finding[] = [];
  const find = (where: string, what: string, sessionId: string | null) =>
    findings.push({ counter: 'credentials found', sessionId, what: `${what} in ${where}` });
  for (const run of runs) {
    const what = findSecret(historyText(run.history), known);
    if (what) find(`the history of ${run.workflowId}`, what, sessionOf(run));
  }
  forEachLog(world, (where, text) => {
    const what = findSecret(text, known);
    if (what) find(where, what, null);
  });
  for (const file of filesContaining(stateDir, known)) {
    find(file, findSecret(readFileSync(file, 'utf8'), known) ?? 'a credential', null);
  }
  return findings;
}

function sessionOf({ workflowId }: Run): string | null {
  const prefix = sessionWorkflowId('');
  return workflowId.startsWith(prefix) ? workflowId.slice(prefix.length) : null;
}
