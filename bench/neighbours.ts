// Calls of one session, alone and while four others do something large on the same worker: prints of 50 MB, 500 changed
// memories, 500 output files, or turns that end. Shows whether one session's work holds up another's.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commands, openSession, takeTurn } from '../harness/turns.ts';
import type { World } from '../harness/world.ts';
import { turnTimes } from './contestant.ts';
import { MODEL_MS } from './measure.ts';

/** Milliseconds of each call of the timed session, and how many turns its neighbours ended meanwhile. */
export interface Beside {
  neighbours: string;
  calls: number[];
  turns: number;
}

const NEIGHBOURS = 4;
/** Between the turns of a neighbour, so that what is seen is one session's wait for another, not a machine without a free core. */
const PAUSE_MS = 1_000;
const FILES = 500;
/** Small: the simulator of the service writes all memories to its disk whenever one changes. */
const MEMORY_BYTES = 1_000;
const OUTPUT_BYTES = 20_000;
const KINDS: Record<string, string> = {
  'turns that end': 'true',
  'prints of 50 MB': 'head -c 50000000 /dev/zero | base64 --wrap=100',
  [`${FILES} changed memories`]: writes('/mnt/memory/*/', MEMORY_BYTES),
  [`${FILES} output files`]: `mkdir -p /mnt/session/outputs; ${writes('/mnt/session/outputs/', OUTPUT_BYTES)}`,
};

/** A shell command that writes files of this size with new content, by few processes: forks would be the load. */
function writes(folder: string, bytes: number): string {
  const content = `head -c ${FILES * bytes} /dev/urandom | base64 --wrap=0 | head -c ${FILES * bytes}`;
  return `for dir in ${folder}; do ${content} | split --bytes=${bytes} - "$dir"; done`;
}

export function neighbourSettings(stateDir: string): Record<string, string> {
  return { OUTPUTS_TARGET: join(stateDir, 'outputs') };
}

export async function besideNeighbours(
  world: World,
  calls: number,
  log: (line: string) => void,
): Promise<Beside[]> {
  await world.admin('anthropic', 'PATCH', 'switches', { 'model-delay-ms': String(MODEL_MS) });
  const timed = await openSession(world);
  const call = async () =>
    turnTimes((await takeTurn(world.anthropic, timed, commands(...Array(calls).fill('true')))).events).calls;
  await call();
  const measured: Beside[] = [{ neighbours: 'none', calls: await call(), turns: 0 }];
  for (const [neighbours, command] of Object.entries(KINDS)) {
    log(`beside ${NEIGHBOURS} sessions: ${neighbours}`);
    const sessions = await Promise.all(Array.from({ length: NEIGHBOURS }, () => openWithMemory(world)));
    const turn = (session: string) => takeTurn(world.anthropic, session, commands(command));
    // The first turns create the sandboxes.
    await Promise.all(sessions.map(turn));
    let [turns, over] = [0, false];
    const busy = sessions.map(async (session) => {
      while (!over) {
        await turn(session);
        turns += 1;
        await sleep(PAUSE_MS);
      }
    });
    const beside = await call();
    measured.push({ neighbours, calls: beside, turns });
    over = true;
    await Promise.all(busy);
  }
  return measured;
}

async function openWithMemory({ anthropic, simulators }: World): Promise<string> {
  const { agentId: agent, environmentId: environment_id } = simulators.anthropic;
  const store = await anthropic.beta.memoryStores.create({ name: `bench ${Math.random()}` });
  const resources = [
    { type: 'memory_store' as const, memory_store_id: store.id, access: 'read_write' as const },
  ];
  return (await anthropic.beta.sessions.create({ agent, environment_id, resources })).id;
}
