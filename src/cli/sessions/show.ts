// `sessions show ID`: what a session waits for, since when, and what would move it; then what it has. No worker needed.
import type { Command } from 'commander';
import { type CommandContext, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { cut, type Output, oneLine } from '../output.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { relative } from '../times.ts';
import { diagnose } from './diagnose.ts';
import type { Diagnosis, Evidence } from './evidence.ts';
import { gather } from './gather.ts';
import { sessionIdOf } from './ids.ts';

const TITLE_WIDTH = 13;
const LINE_CHARS = 900;
const CALLS_SHOWN = 30;

export function addShowCommand(sessions: Command, context: CommandContext): void {
  sessions
    .command('show')
    .description('say what a session waits for, since when, and what would move it; needs no running worker')
    .argument('<session>', 'id of the session', sessionIdOf)
    .action((sessionId: string) =>
      withTemporal(context, async (temporal) => {
        const runs = await showSession(temporal, sessionId, context.output());
        if (!runs) context.end(EXIT.notFound);
      }),
    );
}

/** @returns whether the session's workflow runs @throws CommandError if there is no such session */
export async function showSession(
  temporal: TemporalAccess,
  sessionId: string,
  output: Output,
): Promise<boolean> {
  const evidence = await gather(temporal, sessionId);
  const diagnosis = diagnose(evidence);
  const link = workflowLink(temporal, evidence);
  output.result(asJson(evidence, diagnosis, link), () => asText(output, evidence, diagnosis, link));
  return evidence.run.status === 'running';
}

function asJson(evidence: Evidence, { since, ...diagnosis }: Diagnosis, link: string) {
  const { sessionId, workflowId, run, status, statusMissing, attributes, activities, environment } = evidence;
  return {
    sessionId,
    diagnosis: { ...diagnosis, since: rfc3339(since) },
    workflow: {
      id: workflowId,
      link,
      run: run.id,
      status: run.status,
      reason: run.reason,
      startedAt: rfc3339(run.startedAt),
      closedAt: rfc3339(run.closedAt),
      lastEventAt: rfc3339(run.lastEventAt),
      events: run.events,
      buildId: run.buildId,
    },
    environmentId: attributes.environmentId,
    environment,
    status,
    statusMissing,
    activities: activities.map((activity) => ({
      ...activity,
      since: rfc3339(activity.since),
      startedAt: rfc3339(activity.startedAt),
      nextAttemptAt: rfc3339(activity.nextAttemptAt),
    })),
  };
}

function asText(output: Output, evidence: Evidence, diagnosis: Diagnosis, link: string): string {
  const { status, run, attributes, workflowId, now, statusMissing, sessionId } = evidence;
  const line = (title: string, text: string) =>
    `${output.style('bold', title.padEnd(TITLE_WIDTH))} ${cut(oneLine(text), LINE_CHARS)}`;
  const details = status?.details;
  const { since } = diagnosis;
  const build = run.buildId ? `, build ${run.buildId}` : '';
  return [
    line('Waiting for', diagnosis.waitingFor),
    line('Since', since === null ? 'unknown' : `${relative(since, now)} (${rfc3339(since)})`),
    line('To move it', diagnosis.cure),
    '',
    line('Session', sessionId),
    line('Phase', phaseText(evidence)),
    ...(statusMissing ? [line('State', `unknown: ${statusMissing}`)] : []),
    line('Environment', attributes.environmentId ?? 'not known yet'),
    line('Sandbox', sandboxText(evidence)),
    line('Work item', status ? (status.workId ?? 'none') : 'unknown'),
    ...(status
      ? [line('Turns', `${status.turns}, with ${counted(status.callsDone, 'tool call')} done`)]
      : []),
    ...(details?.memory
      ? [line('Memory', [...details.memory.stores, ...details.memory.problems].join('; '))]
      : []),
    ...(details?.skillProblems ? [line('Skills', details.skillProblems.join('; '))] : []),
    ...(details?.outputs ? [line('Outputs', outputsText(details.outputs))] : []),
    line(
      'Workflow',
      `${workflowId}, ${run.status} since ${relative(run.startedAt, now)}, ${counted(run.events, 'event')}${build}`,
    ),
    line('Temporal UI', link),
    ...section(output, 'Attention', attentionRows(evidence)),
    ...section(output, 'Open calls', openCallRows(evidence)),
    ...section(output, 'Last calls', lastCallRows(evidence)),
    ...section(output, 'Under way', activityRows(evidence)),
  ].join('\n');
}

function section(output: Output, title: string, rows: string[]): string[] {
  if (rows.length === 0) return [];
  return ['', output.style('bold', title), ...rows.map((row) => `  ${cut(oneLine(row), LINE_CHARS)}`)];
}

function phaseText({ status, attributes, run }: Evidence): string {
  if (run.status !== 'running') return `${run.status}${run.reason ? `: ${run.reason}` : ''}`;
  const turn = status?.details?.turn;
  const phase = status?.phase ?? attributes.phase ?? 'unknown';
  return turn ? `${phase}; turn ${turn.state} (${turn.reason})` : phase;
}

function sandboxText({ status, attributes, now }: Evidence): string {
  if (!status) return attributes.sandboxId ?? 'unknown';
  const { sandboxId, sharedBy, retainUntil, details } = status;
  if (!sandboxId) return details?.sandbox.notice ? 'none: the last one was lost with its files' : 'none yet';
  const state = details ? (details.sandbox.ready ? ', running' : ', paused') : '';
  const shared = sharedBy
    ? `, shared (${sharedBy})`
    : `, killed ${relative(Date.parse(retainUntil), now)} if unused`;
  return `${sandboxId}${state}${shared}`;
}

type Details = NonNullable<NonNullable<Evidence['status']>['details']>;

function outputsText({ files, count, bytes, complete }: NonNullable<Details['outputs']>): string {
  const names = files.map(({ path, size }) => `${path} (${counted(size, 'byte')})`).join(', ');
  return `${complete ? '' : 'at least '}${counted(count, 'file')}, ${counted(bytes, 'byte')}: ${names}`;
}

function attentionRows({ status, now }: Evidence): string[] {
  return (status?.attention ?? []).map(({ what, since }) => `${relative(Date.parse(since), now)}: ${what}`);
}

function openCallRows({ status, now }: Evidence): string[] {
  const calls = status?.openCalls ?? [];
  const rows = calls
    .slice(0, CALLS_SHOWN)
    .map(
      ({ id, name, state, preview, since }) =>
        `${state}, ${relative(Date.parse(since), now)}: ${name} ${preview} (${id})`,
    );
  return calls.length > CALLS_SHOWN ? [...rows, `and ${calls.length - CALLS_SHOWN} more`] : rows;
}

function lastCallRows({ status }: Evidence): string[] {
  return (status?.details?.lastCalls ?? []).map(
    ({ name, preview, outcome }) => `${outcome}: ${name} ${preview}`,
  );
}

function activityRows({ activities, now }: Evidence): string[] {
  return activities.map(({ name, state, attempt, since, lastFailure, nextAttemptAt }) => {
    const next = nextAttemptAt === null ? '' : `, next ${relative(nextAttemptAt, now)}`;
    const failed = lastFailure ? `; the last attempt failed: ${lastFailure.message}` : '';
    return `${name}: ${state}, attempt ${attempt}${since === null ? '' : `, asked for ${relative(since, now)}`}${next}${failed}`;
  });
}

/** Temporal Cloud has one UI for all, the embedded server its own; elsewhere its address is not known from that of the server. */
function workflowLink({ address, namespace, uiUrl }: TemporalAccess, { workflowId, run }: Evidence): string {
  const path = `/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${run.id}`;
  const cloud = /\.(tmprl\.cloud|temporal\.io)(:\d+)?$/.test(address);
  return `${cloud ? 'https://cloud.temporal.io' : (uiUrl ?? "<address of Temporal's UI>")}${path}`;
}

function rfc3339(time: number | null): string | null {
  return time === null || Number.isNaN(time) ? null : new Date(time).toISOString();
}
