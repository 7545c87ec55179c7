// Starts the router and the simulators as processes that die at failpoints and are started again, and reads the end state
// of a session from outside: from the simulators' records and the files of the sandbox.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsOf } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { startWorld, type World, type WorldOptions } from '../../harness/world.ts';
import type { Failpoint } from '../../src/failpoints.ts';

export interface CrashWorld extends World {
  /** Directory to which outputs are copied. */
  outputs: string;
  /** Kills the next process that passes the failpoint for this session, `delayMs` later. */
  arm(point: Failpoint, sessionId: string, delayMs?: number): void;
  /**
   * Waits until a process has died at the failpoint. Effects outside can be seen a moment before a process passes the
   * failpoint that follows them. @returns false if no process died there
   */
  died(point: Failpoint, sessionId: string): Promise<boolean>;
  /** Kills all workers and starts new ones with these settings. */
  replaceWorkers(settings: Record<string, string>): Promise<void>;
}

const LOOK_EVERY_MS = 200;
/** Enough for a worker that dies meanwhile at the failpoint of another case: its heartbeat time-out must pass first. */
const DEATH_WITHIN_MS = 120_000;

/** Starts processes again when they die, like a supervisor. */
export async function startCrashWorld(options: Partial<WorldOptions> = {}): Promise<CrashWorld> {
  const stateDir = mkdtempSync(join(tmpdir(), 'crash-'));
  const failpoints = join(stateDir, 'failpoints');
  mkdirSync(failpoints);
  const outputs = join(stateDir, 'outputs');
  const world = await startWorld({
    stateDir,
    workers: 2,
    graceSeconds: 1,
    ...options,
    // A session is claimed only after its first message, so there is time to arm its failpoints.
    switches: ['work-item-at=message', ...(options.switches ?? [])],
    settings: async (...args) => ({
      ...(await options.settings?.(...args)),
      FAILPOINTS: failpoints,
      OUTPUTS_TARGET: outputs,
    }),
  });
  const fileOf = (point: Failpoint, sessionId: string) => join(failpoints, `${point}@${sessionId}`);
  const armed = new Set<string>();
  const supervisor = superviseProcesses(world);
  // Inherits from the world: a spread copy would freeze the values of its getters.
  return Object.assign(Object.create(world) as World, {
    outputs,
    arm: (point: Failpoint, sessionId: string, delayMs = 0) => {
      writeFileSync(fileOf(point, sessionId), String(delayMs));
      armed.add(fileOf(point, sessionId));
    },
    died: async (point: Failpoint, sessionId: string) => {
      const file = fileOf(point, sessionId);
      const taken = async () => !existsSync(file);
      await until(`a process has died at ${point}`, taken, DEATH_WITHIN_MS).catch(() => undefined);
      return armed.has(file) && taken();
    },
    replaceWorkers: supervisor.replaceWorkers,
    close: async () => {
      await supervisor.end();
      await world.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  });
}

function superviseProcesses(world: World) {
  const replaced = new Set<number>();
  let settings: Record<string, string> = {};
  let webhook = world.webhook;
  let over = false;
  const watch = async () => {
    while (!over) {
      for (const worker of world.workers.filter((one) => !one.running() && !replaced.has(one.pid))) {
        // If it cannot start, for example without Temporal, it is started again.
        const started = await world.addWorker(settings).catch(() => null);
        if (started) replaced.add(worker.pid);
      }
      if (!webhook.running()) webhook = await world.addWebhook(Number(new URL(world.webhookUrl).port));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  };
  const watching = watch();
  return {
    replaceWorkers: async (others: Record<string, string>) => {
      settings = others;
      await Promise.all(world.workers.map((worker) => worker.kill()));
    },
    end: async () => {
      over = true;
      await watching.catch(() => undefined);
    },
  };
}

/** What is needed to look from outside. */
type Outside = Pick<World, 'anthropic' | 'admin' | 'Sandbox'>;

export interface EndState {
  /** Why the session is idle. */
  stopReason: string;
  /** Accepted results of each call, in order of the calls. */
  results: number[];
  /** Work items of the session that are not stopped. */
  openItems: number;
  /** States of all its sandboxes. */
  sandboxes: string[];
}

/** The expected end state of a session: idle, at rest, and each call answered once. */
export const atRest = (calls: number): EndState => ({
  stopReason: 'end_turn',
  results: Array(calls).fill(1),
  openItems: 0,
  sandboxes: ['paused'],
});

/** Waits until the session is at rest, at most `withinMs`. @returns its state, at rest or not */
export async function endState(world: Outside, sessionId: string, withinMs = 200_000): Promise<EndState> {
  let seen: EndState | undefined;
  await until(
    'the session is at rest',
    async () => {
      seen = await look(world, sessionId);
      return seen.openItems === 0 && seen.sandboxes.every((state) => state === 'paused') && seen.stopReason;
    },
    withinMs,
  ).catch(() => undefined);
  return seen as EndState;
}

async function look(world: Outside, sessionId: string): Promise<EndState> {
  const events = await eventsOf(world.anthropic, sessionId);
  const calls = events.filter((event) => event.type === 'agent.tool_use');
  const last = events.findLast((event) => event.type.startsWith('session.status_'));
  return {
    stopReason: last?.type === 'session.status_idle' ? last.stop_reason.type : '',
    results: calls.map(
      ({ id }) =>
        events.filter((event) => event.type === 'user.tool_result' && event.tool_use_id === id).length,
    ),
    openItems: (await workItems(world, sessionId)).filter(({ state }) => state !== 'stopped').length,
    sandboxes: (await sandboxesOf(world, sessionId)).map(({ state }) => state),
  };
}

export interface WorkItem {
  id: string;
  state: string;
  data: { id: string };
}

export async function workItems(world: Outside, sessionId: string): Promise<WorkItem[]> {
  const { work } = (await world.admin('anthropic', 'GET', 'state')) as { work: Record<string, WorkItem> };
  return Object.values(work).filter(({ data }) => data.id === sessionId);
}

export async function sandboxesOf(world: Outside, sessionId: string) {
  const metadata = { managed_by: 'managed-agents-router', session: sessionId };
  const pages = world.Sandbox.list({ query: { metadata, state: ['running', 'paused'] } });
  const found = [];
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  return found;
}

/** A command that leaves one line in its counter file each time it runs. */
export const counted = (name: string, then = 'true'): string => `echo ran >> count-${name}; ${then}`;

/** How often each counted command ran, read from the session's sandbox. */
export async function countsOf(world: Outside, sessionId: string): Promise<Record<string, number>> {
  const [info] = await sandboxesOf(world, sessionId);
  const sandbox = await world.Sandbox.connect(info?.sandboxId ?? '', { timeoutMs: 60_000 });
  const { stdout } = await sandbox.commands.run('cd /mnt/session; grep -c "" count-* /dev/null');
  const counts = [...stdout.matchAll(/^count-([^:]+):(\d+)$/gm)];
  return Object.fromEntries(counts.map(([, name, count]) => [name, Number(count)]));
}
