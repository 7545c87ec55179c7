// Reads all records of a run that is over, and reckons.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eachLog, readable, secretIn, secretsOf } from '../harness/secrets.ts';
import type { World } from '../harness/world.ts';
import { SESSION_WORKFLOW, sessionWorkflowId } from '../workflows/messages.ts';
import { type Disk, filesHolding, liveSandboxes, namesIn, readDisks, workItems } from './evidence.ts';
import { type Run, readRuns, replayAll } from './histories.ts';
import { type Loss, realLosses } from './recovery.ts';
import type { Aftermath } from './run.ts';
import { type CallTally, emptyTally, type Finding, judgeSession } from './verdict.ts';
import { outputsDir } from './world.ts';

export interface Judgement {
  findings: Finding[];
  tally: CallTally;
  runs: Run[];
  disks: Disk[];
  losses: Loss[];
}

export async function judge(
  world: World,
  stateDir: string,
  { seen, struck, recovery }: Aftermath,
): Promise<Judgement> {
  const disks = readDisks(stateDir, await liveSandboxes(world));
  const runs = await readRuns(world.temporal.client);
  const tally = emptyTally();
  const copied = join(outputsDir(stateDir), world.simulators.anthropic.environmentId);
  const outputs = namesIn(copied).flatMap((owner) => namesIn(join(copied, owner)));
  const findings = seen.flatMap((session) => {
    // What befalls a shared sandbox befalls everybody in it.
    const blows = struck.map((blow) => ({ sessionId: session.id ?? '', ...blow }));
    const ours = disks.filter(({ sessionId }) => sessionId === session.id || sessionId === '');
    return judgeSession(session, ours, outputs, blows, tally);
  });
  findings.push(...(await leftOver(world)), ...runs.flatMap(judgeRun), ...credentials(world, stateDir, runs));
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

function judgeRun(run: Run): Finding[] {
  const find = (what: string): Finding[] => [
    { counter: 'workflows failed or stuck', sessionId: sessionOf(run), what: `${run.workflowId} ${what}` },
  ];
  if (!['RUNNING', 'COMPLETED', 'CONTINUED_AS_NEW'].includes(run.status)) return find(`is ${run.status}`);
  if (run.taskAttempts > 1) return find(`has a workflow task that failed ${run.taskAttempts - 1} times`);
  // All sessions were ended; only the environment's own workflow lives on.
  if (run.status === 'RUNNING' && run.type === SESSION_WORKFLOW) return find('is still open');
  return [];
}

function credentials(world: World, stateDir: string, runs: Run[]): Finding[] {
  const known = secretsOf(world);
  const findings: Finding[] = [];
  const find = (where: string, what: string, sessionId: string | null) =>
    findings.push({ counter: 'credentials found', sessionId, what: `${what} in ${where}` });
  for (const run of runs) {
    const what = secretIn(readable(run.history), known);
    if (what) find(`the history of ${run.workflowId}`, what, sessionOf(run));
  }
  eachLog(world, (where, text) => {
    const what = secretIn(text, known);
    if (what) find(where, what, null);
  });
  for (const file of filesHolding(stateDir, known)) {
    find(file, secretIn(readFileSync(file, 'utf8'), known) ?? 'a credential', null);
  }
  return findings;
}

function sessionOf({ workflowId }: Run): string | null {
  const prefix = sessionWorkflowId('');
  return workflowId.startsWith(prefix) ? workflowId.slice(prefix.length) : null;
}
