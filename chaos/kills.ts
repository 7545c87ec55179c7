// Carries the schedule out: kills, restarts, and starts anew what a supervisor would.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Child } from '../harness/child.ts';
import type { World } from '../harness/world.ts';
import { sleep } from './client.ts';
import type { Faults } from './faults.ts';
import type { Recovery } from './recovery.ts';
import type { Blow, PlannedBlow } from './schedule.ts';

export interface Struck {
  /** Epoch ms. */
  at: number;
  blow: Blow;
  /** What was hit; null: nothing of the kind was there. */
  target: string | null;
  sessionId?: string;
  failure?: string;
  /** Whether it has been carried out, and what was struck was started anew. */
  over: boolean;
}

/** From the end of one blow to the next of its kind, at least. */
const REPRIEVE_MS = 6_000;

/** Whether the sandbox that was struck may be gone: one whose restart the simulator did not survive is, too. */
export function mayTakeSandbox({ blow, failure }: Struck): boolean {
  return blow === 'kill sandbox' || (blow === 'restart sandbox' && failure !== undefined);
}

interface LiveSandbox {
  id: string;
  state: string;
  metadata: Record<string, string>;
  box?: { process?: { pid?: number } };
}

export interface Striking {
  world: World;
  /** The running webhook servers by their port. */
  webhooks: Map<number, Child>;
  faults: Faults;
  recovery: Recovery;
}

/**
 * @param durationMs after so long nothing is struck any more
 * @returns what was struck, in order; a blow that goes wrong is told of and does not end the run
 */
export function strike(
  { world, webhooks, faults, recovery }: Striking,
  schedule: PlannedBlow[],
  durationMs: number,
): { struck: Struck[]; done: Promise<void> } {
  const began = Date.now();
  const struck: Struck[] = [];
  type Target = Pick<Struck, 'target' | 'sessionId'>;
  /** `aim` tells what is about to be struck: a blow whose answer is lost may have fallen all the same. */
  const blows: Record<Blow, (lot: number, aim: (at: Target) => void) => Promise<Target>> = {
    'kill worker': async (lot) => {
      const victim = choose(world.workers.filter((worker) => worker.running()).sort(byPid), lot);
      if (!victim) return { target: null };
      await recovery.kill(victim);
      await world.addWorker();
      return { target: `${victim.name} (pid ${victim.pid})` };
    },
    'kill webhook server': async (lot) => {
      const [port, victim] = choose([...webhooks], lot) ?? [];
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
    'kill toolhost': async (lot) => {
      const sandbox = await chooseSandbox(lot);
      if (!sandbox) return { target: null };
      const pids = toolhostsIn(sandbox.box?.process?.pid ?? 0);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      return { target: pids.length > 0 ? sandbox.id : null, ...sessionOf(sandbox) };
    },
    'restart sandbox': (lot, aim) => onSandbox(lot, 'restart', aim),
    'kill sandbox': (lot, aim) => onSandbox(lot, 'vanish', aim),
  };
  const restartSimulator = async (of: 'anthropic' | 'e2b') => {
    await faults.look();
    await world.restartSimulators(of);
    await faults.start(of);
    return { target: `simulator ${of}` };
  };
  const chooseSandbox = async (lot: number) => {
    const { sandboxes } = (await world.admin('e2b', 'GET', 'state')) as {
      sandboxes: Record<string, LiveSandbox>;
    };
    const running = Object.values(sandboxes).filter(({ state }) => state === 'running');
    return choose(running, lot);
  };
  const onSandbox = async (lot: number, what: 'restart' | 'vanish', aim: (at: Target) => void) => {
    const sandbox = await chooseSandbox(lot);
    if (!sandbox) return { target: null };
    aim({ target: sandbox.id, ...sessionOf(sandbox) });
    await world.admin('e2b', 'POST', `sandboxes/${sandbox.id}/${what}`);
    return { target: sandbox.id, ...sessionOf(sandbox) };
  };

  const one = async ({ blow, lot }: PlannedBlow) => {
    const entry: Struck = { at: Date.now(), blow, target: null, over: false };
    struck.push(entry);
    try {
      Object.assign(entry, await blows[blow](lot, (at) => Object.assign(entry, at)));
    } catch (error) {
      entry.failure = error instanceof Error ? error.message : String(error);
    }
    entry.over = true;
  };
  // Blows of one kind follow one another, and leave what was started anew the time to take its work up: on a slow
  // machine nothing else would happen than programs being started.
  const kinds = [...new Set(schedule.map(({ blow }) => blow))];
  const inOrder = kinds.map(async (kind) => {
    let notBefore = 0;
    for (const planned of schedule) {
      if (planned.blow !== kind) continue;
      await sleep(Math.max(began + planned.atMs, notBefore) - Date.now());
      // What came too late is dropped.
      if (Date.now() > began + durationMs) return;
      await one(planned);
      notBefore = Date.now() + REPRIEVE_MS;
    }
  });
  return { struck, done: Promise.all(inOrder).then(() => undefined) };
}

function sessionOf({ metadata }: LiveSandbox): { sessionId?: string } {
  return metadata.session ? { sessionId: metadata.session } : {};
}

function choose<Item>(items: Item[], lot: number): Item | undefined {
  return items[Math.floor(lot * items.length)];
}

function byPid(a: Child, b: Child): number {
  return a.pid - b.pid;
}

/** Processes of the host that are a sandbox's toolhost; `first` is the sandbox's first process. */
function toolhostsIn(first: number): number[] {
  const space = processSpace(first);
  if (!space) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && processSpace(Number(name)) === space)
    .map(Number)
    .filter((pid) => commandOf(pid).includes('toolhost.mjs'));
}

function processSpace(pid: number): string | null {
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
