// A world of real processes for one test file, in a folder that goes with it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorld, type World, type WorldOptions } from '../harness/world.ts';

export async function startTestWorld(options: Omit<WorldOptions, 'stateDir'> = {}): Promise<World> {
  const stateDir = await mkdtemp(join(tmpdir(), 'test-world-'));
  const world = await startWorld({ ...options, stateDir });
  // The world's own fields are getters in part: it is extended, not copied.
  return Object.assign(Object.create(world) as World, {
    close: async () => {
      await world.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  });
}
