// The router itself as a contestant: a world with one webhook server and one worker.
import { join } from 'node:path';
import { createNamespace } from '../harness/temporal-namespace.ts';
import { startWorld, type World } from '../harness/world.ts';
import type { Contestant } from './contestant.ts';
import { simulated, untilPaused } from './simulated.ts';

export interface RouterContestant extends Contestant {
  world: World;
}

/** @param address of a running Temporal server, on which a namespace is created; default: starts a dev server */
export async function startRouter(stateDir: string, address: string | undefined): Promise<RouterContestant> {
  const namespace = `bench-${Date.now()}`;
  if (address) await createNamespace(address, namespace);
  const world = await startWorld({
    stateDir: join(stateDir, 'router'),
    ...(address ? { temporal: { address, namespace } } : {}),
  });
  return {
    name: 'ours',
    world,
    ...simulated(world.simulators, world.admin),
    paused: () => untilPaused(world.simulators, world.admin, { passTime: false }),
    close: () => world.close(),
  };
}
