// A session as people read it: the markdown in the Temporal UI, the answer to the `status` query.
import { setCurrentDetails, upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { updateLines } from '../answered-updates.ts';
import { attentionLines, causesOf, needsAttention } from '../attention.ts';
import {
  AgentIdAttribute,
  EnvironmentIdAttribute,
  SandboxIdAttribute,
  SessionAttentionAttribute,
  SessionPhaseAttribute,
  type SessionStatus,
} from '../messages.ts';
import { type SessionUse, USE_MEMO } from '../session-use.ts';
import { detailsOf } from './details.ts';
import { memoryUnavailable } from './memory.ts';
import { type Busy, phaseOf, retainUntil } from './next-step.ts';
import type { SessionState } from './state.ts';

const CALLS_SHOWN = 30;

const FILES = {
  'files-lost': ' (the one before it was lost with its files)',
  'files-rolled-back': ' (came back in an earlier state)',
  'sandbox-replaced': ' (a person replaced the one before it, and its files are gone)',
};

export function statusOf(state: SessionState, busy: Busy): SessionStatus {
  return {
    phase: phaseOf(state, busy),
    ...(state.slot?.position ? { waitingAt: state.slot.position } : {}),
    sandboxId: state.sandbox.id,
    ...(state.share?.workflowId ? { sharedBy: state.share.workflowId } : {}),
    workId: state.work?.id ?? null,
    openCalls: state.calls.map(({ id, name, state: callState, awaitingApproval, preview, since }) => ({
      id,
      name,
      state: awaitingApproval ? 'waiting for approval' : callState,
      preview,
      since: new Date(since).toISOString(),
    })),
    attention: needsAttention(state),
    malformedSignals: state.malformedSignals,
    ...(state.skippedEvents ? { skippedEvents: state.skippedEvents } : {}),
    turns: state.turns,
    callsDone: state.callsDone,
    retainUntil: new Date(retainUntil(state)).toISOString(),
    details: detailsOf(state),
  };
}

/** Shows the state in the UI. */
export function show(state: SessionState, busy: Busy): void {
  setCurrentDetails(story(state, busy));
}

/** Shows the state in the UI, in the memo, and in the search attributes where it changed and the server knows them. */
export function publish(state: SessionState, busy: Busy): void {
  show(state, busy);
  if (state.turn.state === 'idle' || state.end) recordUse(state);
  if (!state.start.settings.searchAttributes) return;
  if (isPassing(state, busy)) return;
  const known = workflowInfo().typedSearchAttributes;
  const causes = causesOf(state);
  const updates = [
    { key: SessionPhaseAttribute, value: phaseOf(state, busy) },
    { key: SandboxIdAttribute, value: state.sandbox.id },
    { key: EnvironmentIdAttribute, value: state.start.environmentId || null },
    { key: AgentIdAttribute, value: state.agentId ?? null },
    { key: SessionAttentionAttribute, value: causes.length > 0 ? causes : null },
  ].filter(({ key, value }) => String(known.get(key) ?? null) !== String(value));
  if (updates.length > 0) upsertSearchAttributes(updates);
}

/**
 * A session that wakes is at work within milliseconds, and each change of search attributes is an action that Temporal Cloud
 * bills: the phase is shown once the claim has ended without a work item, or the sandbox is ready without one.
 */
function isPassing(state: SessionState, busy: Busy): boolean {
  if (phaseOf(state, busy) !== 'waking' || state.sandbox.ready) return false;
  const isFirst = workflowInfo().typedSearchAttributes.get(SessionPhaseAttribute) === undefined;
  return !isFirst && causesOf(state).length === 0 && (state.claimDue || busy.claim);
}

/** Once a turn, and for nothing that has never had one. */
function recordUse({ turns, callsDone, outputs }: SessionState): void {
  if (turns === 0) return;
  const { memo, startTime } = workflowInfo();
  const known = memo?.[USE_MEMO] as SessionUse | undefined;
  const use: SessionUse = {
    startedAt: known?.startedAt ?? startTime.toISOString(),
    turns,
    calls: callsDone,
    ...(outputs ? { outputsBytes: outputs.bytes, outputsComplete: outputs.complete } : {}),
  };
  if (JSON.stringify(known) !== JSON.stringify(use)) upsertMemo({ [USE_MEMO]: use });
}

function story(state: SessionState, busy: Busy): string {
  const { sandbox, turn, work } = state;
  const files = sandbox.modelNotice ? FILES[sandbox.modelNotice] : '';
  const slot =
    state.slot && !state.slot.granted
      ? `waiting for a sandbox, position ${state.slot.position ?? '?'}`
      : null;
  const lines = [
    `**${phaseOf(state, busy)}** · turn ${state.turns}: ${turn.state} (${turn.reason})`,
    '',
    ...(slot ? [`- **${slot}**`] : []),
    `- sandbox: ${sandbox.id ? `\`${sandbox.id}\` ${sandbox.ready ? 'ready' : 'paused'}` : 'none yet'}${files}`,
    ...(state.share
      ? [`- shared by the sessions of the ${state.share.scope}: ${code(state.share.workflowId ?? '?')}`]
      : []),
    `- work item: ${work ? `\`${work.id}\`` : 'none'}`,
    `- tool calls done: ${state.callsDone}`,
    ...operatorLines(state),
    ...memoryLines(state),
    ...(state.skillProblems ?? []).map((problem) => `- ${problem}`),
    ...outputLines(state),
    ...state.calls
      .slice(0, CALLS_SHOWN)
      .map(
        (call) =>
          `- ${call.awaitingApproval ? 'waits for approval' : call.state}: ${call.name} ${code(call.preview)}`,
      ),
    ...(state.calls.length > CALLS_SHOWN ? [`- and ${state.calls.length - CALLS_SHOWN} more calls`] : []),
    ...state.lastCalls.map((call) => `- ${call.outcome}: ${call.name} ${code(call.preview)}`),
  ];
  if (state.malformedSignals > 0) lines.push(`- malformed signals: ${state.malformedSignals}`);
  for (const [type, count] of Object.entries(state.skippedEvents ?? {}))
    lines.push(`- events skipped: ${count} × ${code(type)}`);
  lines.push(...attentionLines(state));
  if (state.end) lines.push('', `Ended: ${state.end}`);
  return lines.join('\n');
}

function operatorLines(state: SessionState): string[] {
  const { paused } = state;
  return [
    ...(paused ? [`- **paused by ${code(paused.by)}** since ${new Date(paused.at).toISOString()}`] : []),
    ...updateLines(state),
  ];
}

function memoryLines(state: SessionState): string[] {
  const { stores = [], problems = [] } = state.memory ?? {};
  const unavailable = memoryUnavailable(state);
  const notes = (unavailable ? [`unavailable: ${unavailable}`] : problems)
    .map((note) => `; ${note}`)
    .join('');
  return stores.map(
    ({ storeId, mountPath, readOnly }) =>
      `- memory: ${code(mountPath)} (${storeId}${readOnly ? ', read-only' : ''})${notes}`,
  );
}

function outputLines({ outputs }: SessionState): string[] {
  if (!outputs) return [];
  const { files, count, bytes, complete } = outputs;
  const head = `- outputs: ${complete ? '' : 'at least '}${count} files, ${bytes} bytes`;
  const more = count > files.length ? [`  - … and ${count - files.length} more`] : [];
  return [head, ...files.map(({ path, size }) => `  - ${code(path)} ${size} bytes`), ...more];
}

function code(preview: string): string {
  return `\`${preview.replaceAll('`', "'").replaceAll('\n', ' ')}\``;
}
