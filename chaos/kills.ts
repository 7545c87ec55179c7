// Carries out the schedule: kills and restarts processes and sandboxes, and starts killed ones again like a supervisor.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { sleep } from '../activities/sleep.ts';
import type { Child } from '../harness/child.ts';
import type { World } from '../harness/world.ts';
import type { Faults } from './faults.ts';
import type { Recovery } from './recovery.ts';
import type { KillKind, PlannedKill } from './schedule.ts';

export interface Kill {
  /** Epoch ms. */
  at: number;
  kind: KillKind;
  /** The process or sandbox that was killed; null if there was none of this kind. */
  target: string | null;
  sessionId?: string;
  failure?: string;
  /** Whether the kill and the restart of its target are done. */
  over: boolean;
}

/** Minimum time between the end of a kill and the next of its kind. */
const MIN_GAP_MS = 6_000;

/** Whether the kill may have removed the sandbox: a restart that fails because the simulator dies removes it, too. */
export function mayRemoveSandbox({ kind, failure }: Kill): boolean {
  return kind === 'kill sandbox' || (kind === 'restart sandbox' && failure !== undefined);
}

interface LiveSandbox {
  id: string;
  state: string;
  metadata: Record<string, string>;
  box?: { process?: { pid?: number } };
}

export interface KillContext {
  world: World;
  /** The running webhook servers by their port. */
  webhooks: Map<number, Child>;
  faults: Faults;
  recovery: Recovery;
}

/**
 * @param durationMs when to stop
 * @returns the kills in order; a failed kill is recorded and does not end the run
 */
export function carryOutKills(
  { world, webhooks, faults, recovery }: KillContext,
  schedule: PlannedKill[],
  durationMs: number,
): { kills: Kill[]; done: Promise<void> } {
  const began = Date.now();
  const kills: Kill[] = [];
  type Target = Pick<Kill, 'target' | 'sessionId'>;
  /** `record` notes the target before the request is sent: it may take effect even if its answer is lost. */
  const actions: Record<KillKind, (choice: number, record: (target: Target) => void) => Promise<Target>> = {
    'kill worker': async (choice) => {
      const victim = choose(world.workers.filter((worker) => worker.running()).sort(byPid), choice);
      if (!victim) return { target: null };
      await recovery.kill(victim);
      await world.addWorker();
      return { target: `${victim.name} (pid ${victim.pid})` };
    },
    'kill webhook server': async (choice) => {
      const [port, victim] = choose([...webhooks], choice) ?? [];
      if (!port || !victim) return { target: null };
      await victim.kill();
      webhooks.set(port, await world.addWebhook(port));
      return { target: `${victim.name} (pid ${victim.pid})` };
    },
    'restart Temporal': async () => {
      await world.restartTemporal();
      return { target: 'Temporal' };
    },
    'restart simulator anthropic': () => restartSimulator('anthropic'),
    'restart simulator e2b': () => restartSimulator('e2b'),
    'kill toolhost': async (choice) => {
      const sandbox = await chooseSandbox(choice);
      if (!sandbox) return { target: null };
      const pids = toolhostsIn(sandbox.box?.process?.pid ?? 0);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      return { target: pids.length > 0 ? sandbox.id : null, ...sessionOf(sandbox) };
    },
    'restart sandbox': (choice, record) => onSandbox(choice, 'restart', record),
    'kill sandbox': (choice, record) => onSandbox(choice, 'vanish', record),
  };
  const restartSimulator = async (of: 'anthropic' | 'e2b') => {
    await faults.readCounts();
    await world.restartSimulators(of);
    await faults.start(of);
    return { target: `simulator ${of}` };
  };
  const chooseSandbox = async (choice: number) => {
    const { sandboxes } = (await world.admin('e2b', 'GET', 'state')) as {
      sandboxes: Record<string, LiveSandbox>;
    };
    const running = Object.values(sandboxes).filter(({ state }) => state === 'running');
    return choose(running, choice);
  };
  const onSandbox = async (choice: number, what: 'restart' | 'vanish', record: (target: Target) => void) => {
    const sandbox = await chooseSandbox(choice);
    if (!sandbox) return { target: null };
    record({ target: sandbox.id, ...sessionOf(sandbox) });
    await world.admin('e2b', 'POST', `sandboxes/${sandbox.id}/${what}`);
    return { target: sandbox.id, ...sessionOf(sandbox) };
  };

  const carryOut = async ({ kind, choice }: PlannedKill) => {
    const entry: Kill = { at: Date.now(), kind, target: null, over: false };
    kills.push(entry);
    try {
      Object.assign(entry, await actions[kind](choice, (target) => Object.assign(entry, target)));
    } catch (error) {
      entry.failure = error instanceof Error ? error.message : String(error);
    }
    entry.over = true;
  };
  // Kills of one kind run one after another, with a gap in which the new process can take up its work: a slow machine
  // would otherwise only start processes.
  const kinds = [...new Set(schedule.map(({ kind }) => kind))];
  const inOrder = kinds.map(async (kind) => {
    let notBefore = 0;
    for (const planned of schedule) {
      if (planned.kind !== kind) continue;
      await sleep(Math.max(began + planned.atMs, notBefore) - Date.now());
      // Kills that are late because of earlier ones are dropped.
      if (Date.now() > began + durationMs) return;
      await carryOut(planned);
      notBefore = Date.now() + MIN_GAP_MS;
    }
  });
  return { kills, done: Promise.all(inOrder).then(() => undefined) };
}

function sessionOf({ metadata }: LiveSandbox): { sessionId?: string } {
  return metadata.session ? { sessionId: metadata.session } : {};
}

function choose<Item>(items: Item[], choice: number): Item | undefined {
  return items[Math.floor(choice * items.length)];
}

function byPid(a: Child, b: Child): number {
  return a.pid - b.pid;
}

/** Host process ids of a sandbox's toolhost; `first` is the sandbox's first process. */
function toolhostsIn(first: number): number[] {
  const namespace = pidNamespace(first);
  if (!namespace) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && pidNamespace(Number(name)) === namespace)
    .map(Number)
    .filter((pid) => commandOf(pid).includes('toolhost.mjs'));
}

function pidNamespace(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
