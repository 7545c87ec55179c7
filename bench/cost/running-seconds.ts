// How long sandboxes have run, as E2B bills it: from its lifecycle events.

interface LifecycleEvent {
  type: string;
  timestamp: string;
  sandbox_id: string;
}

export interface E2bAccess {
  url: string;
  apiKey: string;
}

const PAGE = 100;
const STARTS = /\.(created|resumed)$/;
const ENDS = /\.(paused|killed)$/;

/** Seconds for which the sandboxes of the account have run so far. */
export async function runningSeconds({ url, apiKey }: E2bAccess, now = Date.now()): Promise<number> {
  const events: LifecycleEvent[] = [];
  for (;;) {
    const query = `offset=${events.length}&limit=${PAGE}&orderAsc=true`;
    const answer = await fetch(`${url}/events/sandboxes?${query}`, { headers: { 'x-api-key': apiKey } });
    if (!answer.ok) throw new Error(`E2B answers ${answer.status} for the events of sandboxes`);
    const page = (await answer.json()) as LifecycleEvent[];
    events.push(...page);
    if (page.length < PAGE) break;
  }
  return secondsOf(events, now);
}

/** @param events oldest first */
export function secondsOf(events: readonly LifecycleEvent[], now: number): number {
  const startedAt = new Map<string, number>();
  let ms = 0;
  for (const { type, timestamp, sandbox_id: id } of events) {
    const at = Date.parse(timestamp);
    if (STARTS.test(type)) startedAt.set(id, at);
    if (!ENDS.test(type)) continue;
    ms += at - (startedAt.get(id) ?? at);
    startedAt.delete(id);
  }
  for (const at of startedAt.values()) ms += now - at;
  return ms / 1000;
}
