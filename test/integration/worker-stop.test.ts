// What an operator sees of a worker's start and stop, and of an outage of Temporal.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { statusOf, workerOfCall } from '../../harness/session-workflow.ts';
import { startTemporal, type TemporalServer } from '../../harness/temporal-server.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

let world: World | undefined;
let server: TemporalServer | undefined;
let dir: string | undefined;
afterEach(async () => {
  await world?.close();
  await server?.close();
  if (dir) rmSync(dir, { recursive: true, force: true });
  world = undefined;
  server = undefined;
  dir = undefined;
});

/** What `name` has logged at `warn` and above. */
function warnings({ logDir }: World, name: string): { level: number; msg: string }[] {
  const lines = readFileSync(join(logDir, `${name}.log`), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .filter(({ level }) => level >= 40);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function watching({ anthropic, simulators }: World): Promise<void> {
  await until('the queue is watched', async () => {
    const stats = await anthropic.beta.environments.work.stats(simulators.anthropic.environmentId);
    return (stats.workers_polling ?? 0) > 0;
  });
}

it('an idle worker stops although its queue watch never ends and its time of grace is an hour, and logs no warning', async () => {
  world = await startTestWorld({ settings: async () => ({ WORKER_SHUTDOWN_GRACE_SECONDS: '3600' }) });
  await takeTurn(world.anthropic, await openSession(world), commands('true'));
  await watching(world);
  const pid = world.workers[0]?.pid ?? 0;
  process.kill(pid, 'SIGTERM');
  await until('the worker has ended', async () => !isRunning(pid));
  expect(warnings(world, 'worker-1')).toEqual([]);
}, 60_000);

it('a worker that waits for a call says so until the call is over', async () => {
  world = await startTestWorld({ settings: async () => ({ WORKER_SHUTDOWN_GRACE_SECONDS: '3600' }) });
  const here = world;
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('until [ -e go ]; do sleep 0.1; done'));
  await until('the call runs', () => workerOfCall(here, sessionId));
  const { sandboxId } = await statusOf(world, sessionId);
  const pid = world.workers[0]?.pid ?? 0;
  process.kill(pid, 'SIGTERM');
  const log = () => readFileSync(join(here.logDir, 'worker-1.log'), 'utf8');
  await until('it says so', async () => log().includes('lets running activities finish for 3600 s'));
  expect(log()).toContain('"running":{"toolCalls":1}');
  await (await world.Sandbox.connect(sandboxId as string)).commands.run('touch /mnt/session/go');
  await until('the worker has ended', async () => !isRunning(pid));
}, 120_000);

it('an outage of Temporal is one line of the worker, whatever runs meanwhile, and nothing is lost', async () => {
  dir = mkdtempSync(join(tmpdir(), 'outage-'));
  const place = { port: await freePort(), dbFile: join(dir, 'temporal.db') };
  server = await startTemporal(place);
  world = await startTestWorld({ temporal: server });
  const here = world;
  const sessions = await Promise.all([1, 2, 3].map(() => openSession(here)));
  const turns = sessions.map((id) => takeTurn(here.anthropic, id, commands('sleep 3; echo done')));
  await watching(world);
  await server.close();
  await until('the worker has noticed', async () => warnings(here, 'worker-1').length > 0, 60_000);
  server = await startTemporal(place);
  for (const { answer } of await Promise.all(turns)) expect(answer.trim()).toBe('done');
  const log = () => readFileSync(join(here.logDir, 'worker-1.log'), 'utf8');
  await until('the end of the outage is logged', async () => log().includes('Temporal answers again'));
  expect(warnings(world, 'worker-1').map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^Temporal does not answer/),
  ]);
}, 120_000);
