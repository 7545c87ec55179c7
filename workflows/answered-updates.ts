// The last updates that a workflow has answered, carried from run to run: Temporal answers a repeated update by itself
// only within the run that took it. Pure.
import type { UpdateAnswer } from './updates.ts';

/** Two screens of a history. */
const KEPT = 16;

export interface AnsweredUpdate {
  id: string;
  name: string;
  by: string;
  /** Epoch ms. */
  at: number;
  answer: UpdateAnswer;
}

export interface Answered {
  /** Oldest first; absent while there are none. */
  updates?: AnsweredUpdate[];
}

export function recordUpdate(state: Answered, update: AnsweredUpdate): void {
  state.updates ??= [];
  state.updates.push(update);
  state.updates.splice(0, state.updates.length - KEPT);
}

/** What the update with this id was answered; undefined where it is new, or long ago. */
export function answerOf({ updates }: Answered, updateId: string | undefined): UpdateAnswer | undefined {
  return updates?.find(({ id }) => id === updateId)?.answer;
}

/** What was pending is over: the answer for a person who repeats the update, and in the details. */
export function settlePending({ updates = [] }: Answered, name: string, answer: UpdateAnswer): void {
  for (const update of updates)
    if (update.name === name && update.answer.outcome === 'pending') update.answer = answer;
}

/** As lines of markdown. */
export function updateLines({ updates = [] }: Answered): string[] {
  return updates.map(({ name, by, at, answer }) => {
    const who = by.replaceAll('`', "'").replaceAll(/\s/g, ' ');
    const when = new Date(at).toISOString();
    return `- ${name}, asked for by \`${who}\` at ${when}: ${answer.outcome}: ${answer.text}`;
  });
}
