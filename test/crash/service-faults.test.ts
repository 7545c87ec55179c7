// Faults of the services around a session: lapsed leases, refused credentials, results that the service does not accept for
// an hour, Temporal down. Each fault affects all sessions, so the cases run one after another.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workerOfCall } from '../../harness/session-workflow.ts';
import { startTemporal, type TemporalServer } from '../../harness/temporal-server.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import {
  atRest,
  type CrashWorld,
  counted,
  countsOf,
  endState,
  sandboxesOf,
  startCrashWorld,
} from './crash-world.ts';
import { replayHistories } from './replay.ts';

/** Further seconds that Temporal is down: `TEMPORAL_AWAY_SECONDS=600` makes it ten minutes. */
const AWAY_MS = Number(process.env.TEMPORAL_AWAY_SECONDS ?? 0) * 1000;

let world: CrashWorld;
let temporal: TemporalServer;
let folder: string;
const temporalOptions = () => ({
  dbFile: join(folder, 'temporal.db'),
  logFile: join(folder, 'temporal.log'),
});
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'crash-temporal-'));
  temporal = await startTemporal(temporalOptions());
  world = await startCrashWorld({ temporal: { address: temporal.address } });
});
afterAll(async () => {
  await world?.close();
  await temporal?.close();
  rmSync(folder, { recursive: true, force: true });
});

const set = (switches: Record<string, string>) => world.admin('anthropic', 'PATCH', 'switches', switches);
const advance = (advanceMs: number) => world.admin('anthropic', 'POST', 'clock', { advanceMs });

/** Waits for a file of the session and reads it. */
async function fileOf(sessionId: string, name: string): Promise<string> {
  return until(`the file ${name}`, async () => {
    const [info] = await sandboxesOf(world, sessionId);
    if (!info) return null;
    const sandbox = await world.Sandbox.connect(info.sandboxId, { timeoutMs: 60_000 });
    const { stdout } = await sandbox.commands.run(`cat /mnt/session/${name} 2>/dev/null || true`);
    return stdout;
  });
}

/** Starts a session whose first call is running. */
async function inMidCall(then: string): Promise<{ sessionId: string; turn: Promise<unknown> }> {
  const sessionId = await openSession(world);
  const turn = takeTurn(world.anthropic, sessionId, commands(counted('a', then), counted('b')));
  await until('the call runs', () => workerOfCall(world, sessionId));
  return { sessionId, turn };
}

async function endsWell(sessionId: string): Promise<void> {
  expect(await endState(world, sessionId, 90_000)).toEqual(atRest(2));
  expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
}

describe('goes on after', { timeout: 150_000 }, () => {
  it.each(['same', 'new'])('a lost lease, whose item is offered again under the %s id', async (id) => {
    await set({ 'reoffer-id': id });
    const { sessionId, turn } = await inMidCall('sleep 3');
    await advance(400_000);
    await turn;
    await endsWell(sessionId);
  });

  it('the token of the work item has expired', async () => {
    await set({ 'sessions-token-seconds': '1' });
    const { sessionId, turn } = await inMidCall('sleep 3');
    await turn;
    await endsWell(sessionId);
  });

  it('the environment key was revoked during a call, and replaced', async () => {
    // A work item without a token leaves only the environment key.
    await set({ 'work-secret': 'off' });
    const { sessionId, turn } = await inMidCall('sleep 1; echo yes > done');
    const { environmentId, environmentKey } = world.simulators.anthropic;
    const keys = `environments/${environmentId}/keys`;
    await world.admin('anthropic', 'DELETE', `${keys}/${environmentKey}`);
    await fileOf(sessionId, 'done');
    const { key } = (await world.admin('anthropic', 'POST', keys)) as { key: string };
    await world.replaceWorkers({ ANTHROPIC_ENVIRONMENT_KEY: key });
    await turn;
    await endsWell(sessionId);
  });

  it('the service accepted no result for an hour: it is posted within a minute after that', async () => {
    const { sessionId, turn } = await inMidCall('sleep 2; echo yes > done');
    const refusal = { route: 'events.send', match: sessionId, kind: 'status', status: 503 };
    const { id } = (await world.admin('anthropic', 'POST', 'faults', refusal)) as { id: string };
    await fileOf(sessionId, 'done');
    const refused = async () => {
      const { data } = (await world.admin('anthropic', 'GET', 'faults')) as {
        data: { id: string; taken: number }[];
      };
      return (data.find((fault) => fault.id === id)?.taken ?? 0) > 2;
    };
    await until('the result was refused again and again', refused);
    await advance(3_600_000);
    const again = Date.now();
    await world.admin('anthropic', 'DELETE', `faults/${id}`);
    await turn;
    expect(Date.now() - again).toBeLessThan(60_000);
    await endsWell(sessionId);
  });

  it(
    'Temporal was away: deliveries are refused, running calls finish, nothing is lost',
    async () => {
      const sessionId = await openSession(world);
      await sendMessage(
        world.anthropic,
        sessionId,
        commands(counted('a', 'sleep 5; echo yes > done'), counted('b')),
      );
      await until('the call runs', () => workerOfCall(world, sessionId));
      const port = Number(new URL(`http://${temporal.address}`).port);
      await temporal.kill();
      const other = await openSession(world);
      await sendMessage(world.anthropic, other, commands(counted('a'), counted('b')));
      const delivered = async () => {
        const { deliveries } = (await world.admin('anthropic', 'GET', 'state')) as {
          deliveries: Record<string, { body: string; lastStatus: string | null }>;
        };
        return Object.values(deliveries).find(({ body }) => body.includes(other))?.lastStatus;
      };
      expect(String(await until('the delivery was answered', delivered))).toContain('503');
      await fileOf(sessionId, 'done');
      await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
      temporal = await startTemporal({ ...temporalOptions(), port });
      await endsWell(sessionId);
      await endsWell(other);
    },
    150_000 + AWAY_MS,
  );
});

it('leaves histories that replay, and no workflow task that failed', { timeout: 60_000 }, async () => {
  expect(await replayHistories(world)).toBeGreaterThan(0);
});
