// The signals of a session: each is recorded in the state and nothing else. They may come twice, late, in any
// order, or malformed from any program with access to the namespace: none may fail a workflow task.
import { log, type SignalDefinition, setHandler } from '@temporalio/workflow';
import { raise } from '../attention.ts';
import {
  MOST_CALLS_IN_MESSAGE,
  type OpenCall,
  type SessionChange,
  sessionChangedSignal,
  toolCallsClosedSignal,
  toolCallsRequestedSignal,
  unattendedTurnFoundSignal,
  type WatchId,
  webhookReceivedSignal,
  workClaimedSignal,
} from '../messages.ts';
import { receiveSlot } from '../sandbox-slots/holder.ts';
import { recordCallsClosed, recordCallsRequested } from './calls.ts';
import { receiveShare } from './shared-sandbox.ts';
import type { SessionState } from './state.ts';
import { recordChange, recordUnattendedTurn, recordWebhook } from './turn.ts';
import { isOfNewestWatch } from './watch-state.ts';
import { recordWorkClaimed } from './work-item.ts';

/** Of one text in a message; the longest that we send is a sealed secret. */
const TEXT_CHARS = 4000;
/** Of an id or a name: hundreds of them are carried from run to run. */
const ID_CHARS = 200;
const MOST_COUNTS = 20;

/** Registers all handlers; `notify` runs after each message. Call it before the first await. */
export function receive(state: SessionState, notify: () => void): void {
  const on = <Message extends object>(
    signal: SignalDefinition<[Message]>,
    wellFormed: (message: Message) => boolean,
    record: (message: Message) => void,
  ): void => {
    setHandler(signal, (message) => {
      if (isObject(message) && wellFormed(message)) record(message);
      else reject(state, `malformed signal ${signal.name}`);
      notify();
    });
  };
  on(
    webhookReceivedSignal,
    (m) => areIds(m.eventId) && areShortStrings(m.type),
    (m) => recordWebhook(state, m, Date.now()),
  );
  on(
    unattendedTurnFoundSignal,
    (m) => areIds(m.eventId),
    (m) => recordUnattendedTurn(state, m, Date.now()),
  );
  on(
    workClaimedSignal,
    ({ workId, sealedSecret, start }) =>
      areIds(workId, start?.environmentId ?? '') &&
      areShortStrings(sealedSecret ?? '') &&
      isObject(start?.settings ?? {}),
    (m) => recordWorkClaimed(state, m, Date.now()),
  );
  const onEvents = <Message extends { watch?: WatchId }>(
    signal: SignalDefinition<[Message]>,
    wellFormed: (message: Message) => boolean,
    record: (message: Message) => void,
  ): void =>
    on(
      signal,
      (m) => (m.watch === undefined || isWatch(m.watch)) && wellFormed(m),
      (m) => {
        if (!isOfNewestWatch(state, m.watch)) return;
        delete state.unwatched;
        record(m);
      },
    );
  onEvents(
    toolCallsRequestedSignal,
    (m) => isShortList(m.calls) && m.calls.every(isCall),
    (m) => recordCallsRequested(state, m.calls, Date.now()),
  );
  onEvents(
    toolCallsClosedSignal,
    (m) => areIds(m.why) && isShortList(m.callIds) && areIds(...m.callIds),
    (m) => recordCallsClosed(state, m),
  );
  onEvents(
    sessionChangedSignal,
    (m) => areIds(m.eventId) && isSessionChange(m) && areCounts(m.skippedEvents ?? {}),
    (m) => {
      recordChange(state, m, Date.now());
      if (m.skippedEvents) state.skippedEvents = m.skippedEvents;
    },
  );
  receiveSlot(state, notify);
  receiveShare(state, notify);
  // No default handler: with one, Temporal's SDK fails every workflow task after a signal named __temporal_…, for ever.
  // Unknown signals are not delivered, and gone with the next run.
}

/** An unknown change must not be taken for the end of the session: its sandbox would be killed. */
function isSessionChange(message: SessionChange): boolean {
  switch (message.change) {
    case 'idle':
    case 'waiting':
      return areShortStrings(message.reason);
    case 'running':
    case 'terminated':
    case 'archived':
    case 'deleted':
      return true;
    default:
      return false;
  }
}

function isCall(call: OpenCall): boolean {
  return areIds(call?.id, call?.name, call?.threadId ?? '') && areShortStrings(call.preview);
}

function areIds(...values: unknown[]): boolean {
  return values.every((value) => typeof value === 'string' && value.length <= ID_CHARS);
}

function areShortStrings(...values: unknown[]): boolean {
  return values.every((value) => typeof value === 'string' && value.length <= TEXT_CHARS);
}

function isShortList(values: unknown): boolean {
  return Array.isArray(values) && values.length <= MOST_CALLS_IN_MESSAGE;
}

function isWatch(watch: WatchId | null): boolean {
  return typeof watch?.since === 'number' && typeof watch.attempt === 'number';
}

function areCounts(counts: object | null): boolean {
  const entries = Object.entries(counts ?? []);
  return (
    isObject(counts) &&
    entries.length <= MOST_COUNTS &&
    entries.every(([name, count]) => areShortStrings(name) && typeof count === 'number')
  );
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function reject(state: SessionState, what: string): void {
  log.warn(what);
  state.malformedSignals += 1;
  raise(state, 'messages', `The workflow ignored a message that the router never sends: ${what}`, Date.now());
}
