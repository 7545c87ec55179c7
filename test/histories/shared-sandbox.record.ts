// Records the workflow of a shared sandbox and of a session that uses it.
import { afterAll, beforeAll, it } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';
import { saveHistory } from './saved-history.ts';

let world: World;

beforeAll(async () => {
  const settings = async () => ({ ROUTING_SCOPE: 'agent' });
  world = await startTestWorld({ workers: 2, graceSeconds: 1, settings });
});
afterAll(() => world?.close());

it('two sessions at once, a lost sandbox, a pause, and the end of one session', async () => {
  const [one, two] = [await openSession(world), await openSession(world)];
  const turn = (session: string, ...lines: string[]) =>
    takeTurn(world.anthropic, session, commands(...lines));
  await Promise.all([turn(one, 'echo one'), turn(two, 'echo two')]);
  const { sandboxId, sharedBy } = await statusOf(world, one);
  await world.admin('e2b', 'POST', `sandboxes/${sandboxId}/vanish`);
  await turn(one, 'echo in a new one');
  for (const session of [one, two])
    await until('it is idle', async () => (await statusOf(world, session)).phase === 'paused');
  await turn(two, 'echo again');
  await world.admin('anthropic', 'POST', `sessions/${one}/terminate`);
  await workflowOf(world, one).result();
  const sandbox = world.temporal.client.workflow.getHandle(sharedBy ?? '');
  await until(
    'the sandbox is paused',
    async () => ((await sandbox.query('status')) as Status).phase === 'paused',
  );
  await saveHistory('shared-session', workflowOf(world, one));
  await saveHistory('shared-sandbox', sandbox);
});

interface Status {
  phase: string;
}
