// How long a sandbox ran, from its lifecycle events. Pure. Times are epoch ms.

export interface SandboxEvent {
  id: string;
  sandboxId: string;
  at: number;
  kind: 'created' | 'resumed' | 'paused' | 'killed';
  metadata: Record<string, string>;
  /** Of the run that the event ends; absent where the service does not say. */
  run?: { startedAt?: number; ms?: number; size?: Size };
}

export interface Size {
  vcpus: number;
  memoryMib: number;
}

/** What E2B's list says of the sandbox now. */
export type Now = { state: 'running'; startedAt: number; size?: Size } | { state: 'stopped' | 'unknown' };

export interface Window {
  since: number;
  until: number;
}

export interface RunningTime {
  /** Within the window. */
  seconds: number;
  /** False: events are missing, and it ran for at least so long. */
  complete: boolean;
  /** Absent where the service does not say how large the sandbox is. */
  size?: Size;
}

interface Span {
  from: number;
  to: number;
}

/** A run begins, by the service's clocks, up to this long before or after the event about it. */
const SKEW_MS = 5_000;

/** @param events of one sandbox, in any order, repeated or not */
export function runningTime(events: readonly SandboxEvent[], now: Now, window: Window): RunningTime {
  const sorted = [...new Map(events.map((event) => [event.id, event])).values()].sort((a, b) => a.at - b.at);
  const reported = sorted.flatMap((event) => reportedRun(event) ?? []);
  const claimed = startsOf(reported, sorted.filter(isStart));
  const spans = [...reported];
  const gaps: Span[] = [];
  sorted.forEach((event, index) => {
    const next = sorted[index + 1];
    if (isStart(event)) {
      if (claimed.has(event)) return;
      if (next && !isStart(next) && !reportedRun(next)) spans.push({ from: event.at, to: next.at });
      else if (next) gaps.push({ from: event.at, to: next.at });
      else if (now.state !== 'running') gaps.push({ from: event.at, to: window.until });
    } else if (!reportedRun(event) && !event.run) {
      const before = sorted[index - 1];
      // The end of a run whose beginning is not known. A paused sandbox that is killed ends none.
      if (!before || (event.kind === 'paused' && !isStart(before)))
        gaps.push({ from: before?.at ?? Number.NEGATIVE_INFINITY, to: event.at });
    }
  });
  if (now.state === 'running') spans.push({ from: now.startedAt, to: window.until });
  const size =
    now.state === 'running' && now.size
      ? now.size
      : sorted.findLast(({ run }) => run?.size !== undefined)?.run?.size;
  return {
    seconds: coveredMs(spans, window) / 1000,
    complete: !gaps.some(({ from, to }) => from < window.until && to > window.since),
    ...(size ? { size } : {}),
  };
}

function isStart({ kind }: SandboxEvent): boolean {
  return kind === 'created' || kind === 'resumed';
}

/** The run that an event ends, if the event itself says enough about it. */
function reportedRun({ at, run }: SandboxEvent): Span | undefined {
  if (run?.startedAt !== undefined) return { from: run.startedAt, to: run.startedAt + lengthOf(run, at) };
  return run?.ms === undefined ? undefined : { from: at - run.ms, to: at };
}

function lengthOf({ startedAt = 0, ms }: NonNullable<SandboxEvent['run']>, at: number): number {
  return ms ?? Math.max(0, at - startedAt);
}

/** The event with which each reported run began: the nearest one, each for one run. */
function startsOf(runs: readonly Span[], starts: readonly SandboxEvent[]): Set<SandboxEvent> {
  const claimed = new Set<SandboxEvent>();
  const distinct = new Map(runs.map((run) => [run.from, run])).values();
  for (const { from } of distinct) {
    const near = starts
      .filter((start) => !claimed.has(start) && Math.abs(start.at - from) <= SKEW_MS)
      .sort((a, b) => Math.abs(a.at - from) - Math.abs(b.at - from));
    if (near[0]) claimed.add(near[0]);
  }
  return claimed;
}

/** Overlapping spans count once. */
function coveredMs(spans: readonly Span[], { since, until }: Window): number {
  let covered = 0;
  let end = since;
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const start = Math.max(from, end);
    const stop = Math.min(to, until);
    if (stop <= start) continue;
    covered += stop - start;
    end = stop;
  }
  return covered;
}
