// Reads the lifecycle events of sandboxes from E2B, newest first, page by page. The SDK has no method for them.
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectionConfig } from 'e2b';
import { z } from 'zod';
import type { CommandSettings } from '../../config.ts';
import type { SandboxEvent } from './running-time.ts';
import { SourceFailed } from './source.ts';

/** E2B keeps events this long by default. */
export const EVENTS_KEPT_MS = 7 * 24 * 3_600_000;
/** A command that asks for seven days takes a moment to ask. */
const MOMENT_MS = 60_000;
/** The most that one request returns. */
const PAGE = 100;
const TIMEOUT_MS = 30_000;
const MOST_BYTES = 8 * 1024 * 1024;
const ATTEMPTS = 4;
const MOST_PAUSE_SECONDS = 60;
const KINDS = ['created', 'resumed', 'paused', 'killed'] as const;

const Text = z.string().max(1_000);
const Count = z.number().nonnegative();
const Data = z.object({
  sandbox_metadata: z.record(Text, Text).nullish(),
  execution: z
    .object({
      started_at: Text.nullish(),
      vcpu_count: Count.nullish(),
      memory_mb: Count.nullish(),
      execution_time: Count.nullish(),
    })
    .nullish(),
});
/** The service's documentation shows both spellings. */
const Event = z.object({
  id: Text,
  type: Text,
  timestamp: Text,
  sandbox_id: Text.optional(),
  sandboxId: Text.optional(),
  event_data: Data.nullish(),
  eventData: Data.nullish(),
});
const Events = z.array(Event).max(PAGE);

/** @returns epoch ms from which on E2B has all events */
export function eventsReach(): number {
  return Date.now() - EVENTS_KEPT_MS - MOMENT_MS;
}

export interface EventsQuery {
  /** Absent: of all sandboxes of the team. */
  sandboxId?: string;
  /** Epoch ms: older events are not read. */
  since: number;
}

/**
 * @returns pages of events, each event once
 * @throws SourceFailed that says what to do
 */
export async function* readEvents(
  e2b: CommandSettings['e2b'],
  { sandboxId, since }: EventsQuery,
): AsyncGenerator<SandboxEvent[]> {
  const { apiKey, apiUrl } = new ConnectionConfig(e2b);
  if (!e2b.apiKey || !apiKey) throw new SourceFailed('E2B_API_KEY is not set');
  const path = `/events/sandboxes${sandboxId ? `/${encodeURIComponent(sandboxId)}` : ''}`;
  // New events move older ones to later pages: they are seen again, and none is passed over.
  const seen = new Set<string>();
  for (let offset = 0; ; offset += PAGE) {
    const query = new URLSearchParams({ offset: String(offset), limit: String(PAGE), orderAsc: 'false' });
    for (const kind of KINDS) query.append('types', `sandbox.lifecycle.${kind}`);
    const page = await readPage(`${apiUrl}${path}?${query}`, apiKey);
    const fresh = page.filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    const events = fresh.flatMap((event) => asEvent(event) ?? []);
    yield events.filter(({ at }) => at >= since);
    if (page.length < PAGE || fresh.length === 0 || events.some(({ at }) => at < since)) return;
  }
}

async function readPage(url: string, apiKey: string): Promise<z.infer<typeof Events>> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(url, {
      headers: { 'x-api-key': apiKey },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: Error) => error);
    if (!(answer instanceof Error)) {
      if (answer.ok) return Events.parse(JSON.parse(await boundedText(answer)));
      await answer.body?.cancel();
      if (answer.status === 401 || answer.status === 403)
        throw new SourceFailed('E2B refuses the key: set E2B_API_KEY');
      if (answer.status !== 429 && answer.status < 500)
        throw new SourceFailed(`E2B does not list sandbox events: status ${answer.status}`);
    }
    if (attempt === ATTEMPTS)
      throw new SourceFailed(
        answer instanceof Error
          ? `E2B cannot be reached (${answer.name}): check the network, E2B_DOMAIN and E2B_API_URL`
          : `E2B does not list sandbox events now: status ${answer.status}; try again later`,
      );
    const wanted = answer instanceof Error ? 0 : Number(answer.headers.get('retry-after'));
    await delay(wanted > 0 ? Math.min(wanted, MOST_PAUSE_SECONDS) * 1_000 : 250 * 2 ** attempt);
  }
}

async function boundedText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new SourceFailed('E2B lists sandbox events in an answer that is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function asEvent(event: z.infer<typeof Event>): SandboxEvent | undefined {
  const kind = KINDS.find((one) => event.type === `sandbox.lifecycle.${one}`);
  const sandboxId = event.sandbox_id ?? event.sandboxId;
  const at = Date.parse(event.timestamp);
  if (!kind || !sandboxId || Number.isNaN(at)) return undefined;
  const data = event.event_data ?? event.eventData;
  const run = data?.execution;
  const startedAt = Date.parse(run?.started_at ?? '');
  const size =
    run?.vcpu_count && run.memory_mb ? { vcpus: run.vcpu_count, memoryMib: run.memory_mb } : undefined;
  return {
    id: event.id,
    sandboxId,
    at,
    kind,
    metadata: data?.sandbox_metadata ?? {},
    ...(data && !(kind === 'created' || kind === 'resumed')
      ? {
          run: {
            ...(Number.isNaN(startedAt) ? {} : { startedAt }),
            ...(typeof run?.execution_time === 'number' ? { ms: run.execution_time } : {}),
            ...(size ? { size } : {}),
          },
        }
      : {}),
  };
}
