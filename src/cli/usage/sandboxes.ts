// Running time of our sandboxes: of all, for `usage`, or of one, for `sandboxes list`.
import { E2B, type SandboxInfo } from 'e2b';
import { MANAGED_BY } from '../../clients/sandbox-metadata.ts';
import type { CommandSettings } from '../../config.ts';
import { costOf, type Prices } from './prices.ts';
import { type Now, type RunningTime, runningTime, type SandboxEvent, type Window } from './running-time.ts';
import { EVENTS_KEPT_MS, eventsReach, readEvents } from './sandbox-events.ts';

export interface SandboxUse extends RunningTime {
  sandboxId: string;
  /** Of the sandbox, as the router wrote it. */
  metadata: Record<string, string>;
}

type Sdk = { Sandbox: Pick<typeof import('e2b').Sandbox, 'list'> };

/**
 * Running seconds so far, and cost, of one sandbox: over the seven days that E2B keeps events.
 * @param info from E2B's list
 * @returns `cost` is null without prices or where the size is not known
 * @throws SourceFailed that says what to do
 */
export async function useOfSandbox(
  e2b: CommandSettings['e2b'],
  info: SandboxInfo,
  prices?: Prices,
): Promise<RunningTime & { cost: number | null }> {
  const until = Date.now();
  const since = until - EVENTS_KEPT_MS;
  const { sandboxId } = info;
  const events: SandboxEvent[] = [];
  for await (const page of readEvents(e2b, { sandboxId, since })) events.push(...page);
  const time = runningTime(events, nowOf(info), { since, until });
  const complete = time.complete && bornAt(info.metadata) >= since;
  return { ...time, complete, cost: costOf(time, prices) };
}

/**
 * Running time of all our sandboxes in the window that have run in it, or exist now.
 * @param onEvents called with the number of events read so far
 * @throws SourceFailed that says what to do
 */
export async function useOfSandboxes(
  e2b: CommandSettings['e2b'],
  window: Window,
  onEvents: (count: number) => void,
): Promise<{ sandboxes: SandboxUse[]; listed: boolean }> {
  // Listed before the events, and after the end of the window: what runs now ran until that end, and the events of
  // all earlier runs are there.
  const existing = e2b.apiKey ? await listOurs(new E2B({ ...e2b, retries: 3 })) : undefined;
  const bySandbox = new Map<string, SandboxEvent[]>();
  let count = 0;
  for await (const page of readEvents(e2b, { since: window.since })) {
    for (const event of page) {
      if (event.metadata.managed_by !== MANAGED_BY) continue;
      const events = bySandbox.get(event.sandboxId);
      if (events) events.push(event);
      else bySandbox.set(event.sandboxId, [event]);
    }
    count += page.length;
    onEvents(count);
  }
  for (const id of existing?.keys() ?? []) if (!bySandbox.has(id)) bySandbox.set(id, []);
  const sandboxes = [...bySandbox].flatMap(([sandboxId, events]) => {
    const created = events.find(({ kind }) => kind === 'created');
    if (created && created.at >= window.until) return [];
    const info = existing?.get(sandboxId);
    const now: Now = existing ? (info ? nowOf(info) : { state: 'stopped' }) : { state: 'unknown' };
    const metadata = info?.metadata ?? events[0]?.metadata ?? {};
    const time = runningTime(events, now, window);
    const complete = time.complete && (bornAt(metadata) >= eventsReach() || window.since >= eventsReach());
    return [{ sandboxId, metadata, ...time, complete }];
  });
  return { sandboxes, listed: existing !== undefined };
}

/** @returns undefined if E2B does not list them */
async function listOurs({ Sandbox }: Sdk): Promise<Map<string, SandboxInfo> | undefined> {
  const found = new Map<string, SandboxInfo>();
  const query = { metadata: { managed_by: MANAGED_BY }, state: ['running' as const, 'paused' as const] };
  const pages = Sandbox.list({ query });
  try {
    while (pages.hasNext) for (const info of await pages.nextItems()) found.set(info.sandboxId, info);
    return found;
  } catch {
    return undefined;
  }
}

function nowOf({ state, startedAt, cpuCount, memoryMB }: SandboxInfo): Now {
  if (state !== 'running') return { state: 'stopped' };
  return {
    state: 'running',
    startedAt: startedAt.getTime(),
    size: { vcpus: cpuCount, memoryMib: memoryMB },
  };
}

/** Epoch ms by our own metadata; without it, it counts as older than the events. */
function bornAt({ created_at }: Record<string, string>): number {
  return Date.parse(created_at ?? '') || Number.NEGATIVE_INFINITY;
}
