// A second router under the name of a running deployment, with other settings: one warning and `doctor` say so, and
// sessions go on.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import type { CheckResult } from '../../src/cli/doctor/check.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 1 });
});
afterAll(() => world?.close());

async function sameSettings(): Promise<CheckResult | undefined> {
  const env = { TEMPORAL_ADDRESS: world.temporal.connection.options.address };
  const { stdout } = await runCommand(['--json', 'doctor'], env);
  const { checks } = JSON.parse(stdout) as { checks: CheckResult[] };
  return checks.find(({ name }) => name === 'same settings');
}

it('warns of workers that have other settings, and serves sessions all the same', async () => {
  expect(await sameSettings()).toMatchObject({ verdict: 'ok' });
  const second = await world.addWorker({ SESSION_GRACE_SECONDS: '7', E2B_MAX_RUNNING_SANDBOXES: '3' });
  const warnings = () =>
    readFileSync(second.logFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes('different settings'));
  await until('the second worker warns', async () => warnings().length > 0);
  const differ = ['settings of sessions and sandboxes', 'limits on sandboxes'];
  expect(JSON.parse(warnings()[0] as string)).toMatchObject({ deployment: world.names.taskQueue, differ });
  expect(await sameSettings()).toMatchObject({
    verdict: 'warning',
    cure: expect.stringContaining('ROUTER_DEPLOYMENT'),
  });

  const sessions = await Promise.all([1, 2, 3].map(() => openSession(world)));
  for (const turn of [1, 2])
    await Promise.all(
      sessions.map(async (id) => {
        const { answer } = await takeTurn(world.anthropic, id, commands('echo turn >> file', 'wc -l < file'));
        expect(answer.trim()).toBe(String(turn));
      }),
    );
  expect(warnings()).toHaveLength(1);
}, 120_000);
