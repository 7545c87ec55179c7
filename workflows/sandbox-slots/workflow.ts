// The running sandboxes of an E2B account, where their number or their starts are limited: whoever wants one running
// asks here first, waits for its turn, and says when it is paused or gone. Runs only while there is somebody.
import {
  condition,
  continueAsNew,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { findEndedWorkflows } from '../activity-policies.ts';
import { slotGrantedSignal, slotQueuedSignal, slotRequestedSignal, slotReturnedSignal } from '../messages.ts';
import {
  nextSlotStep,
  openSlots,
  readWanted,
  recordGranted,
  recordReturned,
  recordWanted,
  type SlotsState,
} from './state.ts';

/** Workflows return what they hold when they end, but not when somebody terminates them. */
const CHECK_EVERY_MS = 300_000;
/** While somebody waits for them. */
const CHECK_IN_NEED_MS = 15_000;
/** Between two requests of a small account it would end and begin all the time. */
const LINGER_MS = 60_000;
/** A run that is asked for something while it closes has to be replayed before it can try again: that must not take long. */
const HISTORY_BUDGET = 500;
/** The server lets no more than 2,000 messages of a workflow be under way: of places, so many are told at once. */
const MOST_SIGNALS_IN_FLIGHT = 100;
const SHOWN = 30;

export async function sandboxSlotsWorkflow(state: SlotsState = openSlots()): Promise<void> {
  let news = false;
  const again = state.again ?? [];
  delete state.again;
  // Any program with access to the namespace may signal: a malformed message must not fail the workflow task.
  setHandler(slotRequestedSignal, (message) => {
    const wanted = readWanted(message);
    if (!wanted) return;
    const isHolder = recordWanted(state, wanted);
    if (isHolder && !again.includes(wanted.holder)) again.push(wanted.holder);
    news = true;
  });
  setHandler(slotReturnedSignal, (returned) => {
    if (typeof returned?.holder === 'string') recordReturned(state, returned.holder);
    news = true;
  });

  // Its answer is not waited for: a queue would be told of its places one by one instead of being served.
  let underWay = 0;
  const tell = (holder: string, message: Promise<void>): void => {
    underWay += 1;
    message
      // Whoever cannot be told has ended.
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
    for (const holder of again.splice(0)) tell(holder, grant(holder));
    const step = nextSlotStep(state, Date.now());
    if (step.do === 'grant') {
      recordGranted(state, step.waiting, Date.now());
      tell(step.waiting.id, grant(step.waiting.id));
    } else if (step.do === 'tell' && underWay < MOST_SIGNALS_IN_FLIGHT) {
      step.waiting.told = step.position;
      tell(step.waiting.id, queued(step.waiting.id, step.position));
    } else if (news || again.length > 0) {
      // Came while somebody was told something.
    } else if (Date.now() >= checkAt) {
      checkedAt = null;
      // Nobody waits for a place because a server is slow to say who has ended.
      check(state).finally(() => {
        checkedAt = Date.now();
        news = true;
      });
    } else if (workflowInfo().historyLength > HISTORY_BUDGET) {
      // The server drops what a closing run has not delivered yet: a place would be given and nobody told.
      await condition(() => underWay === 0);
      state.again = again;
      await continueAsNew<typeof sandboxSlotsWorkflow>(state);
    } else {
      const empty = state.holders.length === 0 && state.queue.length === 0;
      const until = Math.min(
        empty ? Date.now() + LINGER_MS : checkAt,
        (step.do === 'wait' && step.until) || Number.POSITIVE_INFINITY,
      );
      const summary = empty ? 'until somebody asks' : 'until a slot is returned, or the next check';
      const asked = await condition(() => news, Math.max(1, until - Date.now()), { summary });
      if (empty && !asked) return;
    }
  }
}

const grant = (holder: string) => getExternalWorkflowHandle(holder).signal(slotGrantedSignal);
const queued = (holder: string, position: number) =>
  getExternalWorkflowHandle(holder).signal(slotQueuedSignal, { position });

async function check(state: SlotsState): Promise<void> {
  // Who waits in the queue is told of its place now and then, and found out by that.
  const workflowIds = state.holders.map(({ id }) => id);
  try {
    const summary = 'has anybody ended without returning a slot?';
    const ended = await findEndedWorkflows.executeWithOptions({ summary }, [{ workflowIds }]);
    for (const id of ended) recordReturned(state, id);
  } catch {
    // Made again at the next check.
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
