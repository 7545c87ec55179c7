// Tells the owner's hook what waits for a person, beside the session's work: one message at a time, each once.
import { CancellationScope, condition, isCancellation, workflowInfo } from '@temporalio/workflow';
import { hookCalls } from '../activity-policies.ts';
import { needsAttention, raise, settle } from '../attention.ts';
import { reasonOf } from '../failure-reason.ts';
import { type HookMessage, MOST_CALLS_IN_HOOK } from '../hook-message.ts';
import type { SessionState } from './state.ts';

/** A cause that comes back sooner was announced already: no message says that it was over. */
const SAME_CAUSE_MS = 3_600_000;

/** Calls the hook for as long as the workflow runs. `notify` is called when a call has ended. */
export async function callHooks(state: SessionState, notify: () => void): Promise<never> {
  for (;;) {
    await condition(() => state.hookMessage !== undefined || isMessageDue(state));
    // A run before this one may not have learnt what became of its message: it is sent again under its id.
    const message = state.hookMessage ?? takeMessage(state, workflowInfo().workflowId, Date.now());
    if (message) state.hookMessage = message;
    if (message) await send(state, message);
    delete state.hookMessage;
    notify();
  }
}

/** Ends early when nothing waits any more for what the message is about. */
async function send(state: SessionState, message: HookMessage): Promise<void> {
  const scope = new CancellationScope({ cancellable: true });
  const summary = `call the hook: ${message.type}`;
  let over = false;
  const sent = scope
    .run(() => hookCalls.callHook.executeWithOptions({ summary }, [{ message }]))
    .then(() => settle(state, 'hook'))
    .catch((error) => {
      if (!isCancellation(error))
        raise(state, 'hook', `The hook got no ${message.type}: ${reasonOf(error)}`, Date.now());
    })
    .finally(() => {
      over = true;
    });
  await condition(() => over || !isCurrent(state, message));
  scope.cancel();
  await sent;
}

export function isMessageDue(state: SessionState): boolean {
  if (!state.start.settings.hook || state.end) return false;
  return unannouncedCalls(state).length > 0 || unannouncedCause(state) !== undefined;
}

/** The next message, noted as announced: approvals first. */
export function takeMessage(state: SessionState, workflowId: string, now: number): HookMessage | undefined {
  if (!isMessageDue(state)) return undefined;
  const { sessionId, environmentId } = state.start;
  const from = {
    session_id: sessionId,
    environment_id: environmentId || null,
    agent_id: state.agentId ?? null,
    workflow_id: workflowId,
  };
  const timestamp = new Date(now).toISOString();
  const calls = unannouncedCalls(state).slice(0, MOST_CALLS_IN_HOOK);
  const [first] = calls;
  if (first) {
    for (const call of calls) call.announced = true;
    const listed = calls.map(({ id, name, preview, since }) => ({
      id,
      name,
      preview,
      since: new Date(since).toISOString(),
    }));
    const id = `${sessionId}-approval-${first.id}`;
    return { id, timestamp, type: 'session.approval_required', data: { ...from, calls: listed } };
  }
  const note = unannouncedCause(state);
  if (!note) return undefined;
  state.announced = { ...state.announced, [note.cause]: now };
  const id = `${sessionId}-${note.cause}-${Date.parse(note.since)}`;
  return { id, timestamp, type: 'session.attention', data: { ...from, ...note } };
}

function unannouncedCalls({ calls }: SessionState) {
  return calls.filter((call) => call.awaitingApproval && !call.announced);
}

function unannouncedCause(state: SessionState) {
  return needsAttention(state).find(({ cause, since }) => {
    // That the hook does not answer is no news for the hook.
    if (cause === 'hook') return false;
    const before = state.announced?.[cause];
    return before === undefined || Date.parse(since) > before + SAME_CAUSE_MS;
  });
}

/** Whether what the message says still goes on. */
export function isCurrent(state: SessionState, message: HookMessage): boolean {
  if (state.end) return false;
  if (message.type === 'session.attention') return message.data.cause in state.attention;
  if (message.type !== 'session.approval_required') return false;
  const waiting = new Set(state.calls.filter((call) => call.awaitingApproval).map(({ id }) => id));
  return message.data.calls.some(({ id }) => waiting.has(id));
}
