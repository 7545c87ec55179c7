// Turns scenarios into tests: starts real processes with the given switches of the simulator and runs each scenario.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Scenario } from '../../demo/scenarios.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

/**
 * @param together scenarios that do not disturb each other; they run first, concurrently
 * @param oneByOne scenarios that kill processes, inject faults or inspect everything
 */
export function describeScenarios(
  name: string,
  switches: string[],
  together: Scenario[],
  oneByOne: Scenario[],
): void {
  describe(name, () => {
    let world: World;
    beforeAll(async () => {
      world = await startTestWorld({ switches, workers: 2, graceSeconds: 1.5 });
    });
    afterAll(() => world?.close());

    const hold = async ({ run }: Scenario) => {
      const checks = await run(world, () => undefined);
      expect(checks).not.toEqual([]);
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    };
    if (together.length > 0) it.concurrent.each(together)('$title', { timeout: 100_000 }, hold);
    it.sequential.each(oneByOne)('$title', { timeout: 100_000 }, hold);
  });
}
