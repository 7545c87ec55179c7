// Many sessions at once: opens them, and reads from their events how many calls were answered and how soon.
import { eventsOf, openSession } from '../../harness/turns.ts';
import type { World } from '../../harness/world.ts';

/** Requests under way at once. */
const AT_ONCE = 20;

export async function atOnce<Item>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
  limit = AT_ONCE,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  const next = async () => {
    for (let item = queue.next(); !item.done; item = queue.next()) await work(item.value);
  };
  await Promise.all(Array.from({ length: limit }, next));
}

export async function openSessions(
  world: World,
  count: number,
  begin: (sessionId: string) => Promise<void>,
): Promise<string[]> {
  const ids: string[] = [];
  await atOnce(Array(count).keys(), async () => {
    const id = await openSession(world);
    await begin(id);
    ids.push(id);
  });
  return ids;
}

export interface Answered {
  /** Of each session: calls answered in the window. */
  counts: number[];
  /** Milliseconds from each call to its result, of calls asked and answered in the window. */
  callMs: number[];
}

/** @param from, until epoch ms */
export async function answeredBetween(
  world: World,
  sessionIds: string[],
  from: number,
  until: number,
): Promise<Answered> {
  const answered: Answered = { counts: [], callMs: [] };
  await atOnce(sessionIds, async (id) => {
    const askedAt = new Map<string, number>();
    let count = 0;
    for (const event of await eventsOf(world.anthropic, id)) {
      const at = Date.parse(String('processed_at' in event && event.processed_at));
      if (!(at >= from && at <= until)) continue;
      if (event.type === 'agent.tool_use') askedAt.set(event.id, at);
      if (event.type !== 'user.tool_result') continue;
      count += 1;
      const asked = askedAt.get(event.tool_use_id);
      if (asked !== undefined) answered.callMs.push(at - asked);
    }
    answered.counts.push(count);
  });
  return answered;
}
