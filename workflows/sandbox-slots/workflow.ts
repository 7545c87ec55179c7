// The queue for slots among the running sandboxes of an E2B account, where their number or their starts are limited. A
// workflow requests a slot here, waits for the grant, and returns it with its sandbox. Runs only while it is needed.
import {
  condition,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { findEndedWorkflows } from '../activity-policies.ts';
import { slotGrantedSignal, slotQueuedSignal, slotRequestedSignal, slotReturnedSignal } from '../messages.ts';
import { renew, watchBuild } from '../renewal.ts';
import {
  nextSlotStep,
  openSlots,
  readWanted,
  recordGranted,
  recordReturned,
  recordWanted,
  type SlotsState,
} from './state.ts';

/** Terminated workflows cannot return their slots, so poll for them. */
const CHECK_EVERY_MS = 300_000;
/** While workflows wait for a slot. */
const CHECK_IN_NEED_MS = 15_000;
/** How long an empty queue stays: otherwise it would end and begin with every request of a small account. */
const LINGER_MS = 60_000;
/** A run that is asked for something while it closes has to be replayed before it can try again: that must not take long. */
const HISTORY_BUDGET = 500;
/** The server allows a workflow 2,000 signals under way; the queue keeps well below. */
const MOST_SIGNALS_IN_FLIGHT = 100;
const SHOWN = 30;

export async function sandboxSlotsWorkflow(state: SlotsState = openSlots()): Promise<void> {
  let news = false;
  const askedAgain = state.askedAgain ?? [];
  delete state.askedAgain;
  // Any program with access to the namespace may signal: a malformed message must not fail the workflow task.
  setHandler(slotRequestedSignal, (message) => {
    const wanted = readWanted(message);
    if (!wanted) return;
    const isHolder = recordWanted(state, wanted);
    if (isHolder && !askedAgain.includes(wanted.holder)) askedAgain.push(wanted.holder);
    news = true;
  });
  setHandler(slotReturnedSignal, (returned) => {
    if (typeof returned?.holder === 'string') recordReturned(state, returned.holder);
    news = true;
  });
  const newerBuildIsCurrent = watchBuild(() => {
    news = true;
  });

  // Signals are not waited for: one slow holder would delay the grants to all others.
  let underWay = 0;
  const send = (holder: string, message: Promise<void>): void => {
    underWay += 1;
    message
      // A holder that cannot be signalled has ended.
      .catch(() => {
        recordReturned(state, holder);
        news = true;
      })
      .finally(() => {
        news ||= underWay === MOST_SIGNALS_IN_FLIGHT;
        underWay -= 1;
      });
  };

  /** Null while it goes on. */
  let checkedAt: number | null = Date.now();
  for (;;) {
    const inNeed = state.queue.length > 0 && checkedAt !== null;
    const checkAt = (checkedAt ?? Date.now()) + (inNeed ? CHECK_IN_NEED_MS : CHECK_EVERY_MS);
    news = false;
    setCurrentDetails(story(state));
    for (const holder of askedAgain.splice(0)) send(holder, grant(holder));
    const step = nextSlotStep(state, Date.now());
    if (step.do === 'grant') {
      recordGranted(state, step.waiting, Date.now());
      send(step.waiting.id, grant(step.waiting.id));
    } else if (step.do === 'announce' && underWay < MOST_SIGNALS_IN_FLIGHT) {
      step.waiting.announced = step.position;
      send(step.waiting.id, queued(step.waiting.id, step.position));
    } else if (news || askedAgain.length > 0) {
      // A message came while signals were sent: decide anew.
    } else if (Date.now() >= checkAt) {
      checkedAt = null;
      // Not waited for: slots are granted while the server is slow to answer.
      check(state).finally(() => {
        checkedAt = Date.now();
        news = true;
      });
    } else if (newerBuildIsCurrent() || workflowInfo().historyLength > HISTORY_BUDGET) {
      // The server drops signals that a closing run has not delivered: a slot would be granted and its workflow not told.
      await condition(() => underWay === 0);
      state.askedAgain = askedAgain;
      await renew<typeof sandboxSlotsWorkflow>(state);
    } else {
      const empty = state.holders.length === 0 && state.queue.length === 0;
      const until = Math.min(
        empty ? Date.now() + LINGER_MS : checkAt,
        (step.do === 'wait' && step.until) || Number.POSITIVE_INFINITY,
      );
      const summary = empty ? 'until a slot is requested' : 'until a slot is returned, or the next check';
      const asked = await condition(() => news, Math.max(1, until - Date.now()), { summary });
      if (empty && !asked) return;
    }
  }
}

const grant = (holder: string) => getExternalWorkflowHandle(holder).signal(slotGrantedSignal);
const queued = (holder: string, position: number) =>
  getExternalWorkflowHandle(holder).signal(slotQueuedSignal, { position });

async function check(state: SlotsState): Promise<void> {
  // Workflows in the queue are signalled now and then, which shows whether they have ended.
  const workflowIds = state.holders.map(({ id }) => id);
  try {
    const summary = 'find workflows that ended without returning a slot';
    const ended = await findEndedWorkflows.executeWithOptions({ summary }, [{ workflowIds }]);
    for (const id of ended) recordReturned(state, id);
  } catch {
    // The next check repeats it.
  }
}

function story({ limits, holders, queue }: SlotsState): string {
  const most = limits.running > 0 ? ` of ${limits.running}` : '';
  const names = (list: { id: string }[]) =>
    list
      .slice(0, SHOWN)
      .map(({ id }) => `\n  - ${id}`)
      .join('');
  const more = (list: unknown[]) => (list.length > SHOWN ? `\n  - and ${list.length - SHOWN} more` : '');
  return [
    `- sandboxes running: **${holders.length}${most}**${names(holders)}${more(holders)}`,
    `- waiting: **${queue.length}**${names(queue)}${more(queue)}`,
  ].join('\n');
}
