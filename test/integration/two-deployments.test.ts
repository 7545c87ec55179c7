// Two deployments at once in one namespace and with one E2B account, each with a worker, a webhook server and an
// environment of its own, like staging beside production: neither takes tasks, sessions, slots or sandboxes of the other.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pidOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startTestWorld } from '../test-world.ts';

const SESSIONS = 3;
const SETTINGS = { E2B_MAX_RUNNING_SANDBOXES: '1', E2B_MAX_STARTS_PER_SECOND: '20', RECONCILE_SECONDS: '1' };

let production: World;
let staging: World;
beforeAll(async () => {
  production = await startTestWorld({
    deployment: 'router-production',
    graceSeconds: 1,
    settings: async () => SETTINGS,
  });
  const { url, apiKey } = production.simulators.e2b;
  staging = await startTestWorld({
    deployment: 'router-staging',
    graceSeconds: 1,
    temporal: { address: production.temporal.connection.options.address },
    settings: async () => ({ ...SETTINGS, E2B_API_KEY: apiKey, E2B_API_URL: url, E2B_SANDBOX_URL: url }),
  });
});
afterAll(async () => {
  await staging?.close();
  await production?.close();
});

interface LiveSandbox {
  state: string;
  metadata: { environment: string; session: string };
}

/** All sandboxes of the account. */
async function sandboxes(): Promise<Record<string, LiveSandbox>> {
  const { sandboxes } = (await production.admin('e2b', 'GET', 'state')) as {
    sandboxes: Record<string, LiveSandbox>;
  };
  return sandboxes;
}

/** Runs the sessions of a deployment side by side: two turns each, the second after a pause. */
async function runSessions(world: World): Promise<string[]> {
  const ids = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(world)));
  await Promise.all(
    ids.map(async (id) => {
      await takeTurn(world.anthropic, id, commands(`echo ${id} >> turns`, 'sleep 1'));
      const { answer } = await takeTurn(world.anthropic, id, commands(`echo ${id} >> turns`, 'cat turns'));
      expect(answer.trim()).toBe(`${id}\n${id}`);
    }),
  );
  return ids;
}

/** Watches how many sandboxes run at once: at most for each environment, and at most in all. */
function watchRunning(): { stop(): Promise<{ perEnvironment: Record<string, number>; together: number }> } {
  const perEnvironment: Record<string, number> = {};
  let together = 0;
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const running = Object.values(await sandboxes()).filter(({ state }) => state === 'running');
      together = Math.max(together, running.length);
      for (const environment of new Set(running.map(({ metadata }) => metadata.environment))) {
        const count = running.filter(({ metadata }) => metadata.environment === environment).length;
        perEnvironment[environment] = Math.max(perEnvironment[environment] ?? 0, count);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await watching;
      return { perEnvironment, together };
    },
  };
}

it('runs the sessions of both to the end, each with its own workers, queues, slots and sandboxes', async () => {
  const worlds = [production, staging];
  const running = watchRunning();
  const sessions = await Promise.all(worlds.map(runSessions));
  const { perEnvironment, together } = await running.stop();
  const environments = worlds.map(({ simulators }) => simulators.anthropic.environmentId);
  // Each has one slot of its own: a shared one would never let two sandboxes run at once.
  expect(perEnvironment).toEqual(Object.fromEntries(environments.map((id) => [id, 1])));
  expect(together).toBe(2);

  // Reconciles of both have run many times, and left the other's sandboxes alone: one for each session is there.
  const left = Object.values(await sandboxes()).map(({ metadata }) => metadata.session);
  expect(left.sort()).toEqual(sessions.flat().sort());

  const { workflow } = production.temporal.client;
  const expected = worlds.map(({ names, workers }, index) => ({
    name: names.taskQueue,
    ids: [
      names.slotsWorkflowId,
      names.environmentWorkflowId(environments[index] as string),
      ...(sessions[index] ?? []).map(names.sessionWorkflowId),
    ].sort(),
    pids: workers.map(({ pid }) => pid),
  }));
  const ids: string[] = [];
  for await (const { workflowId, taskQueue } of workflow.list()) {
    ids.push(workflowId);
    const owner = expected.find(({ name }) => name === taskQueue);
    expect(owner?.ids).toContain(workflowId);
    const { events = [] } = await workflow.getHandle(workflowId).fetchHistory();
    for (const event of events ?? []) {
      const queue = event.activityTaskScheduledEventAttributes?.taskQueue?.name;
      if (queue) expect(queue === owner?.name || queue.startsWith(`${owner?.name}-`)).toBe(true);
      const done = event.workflowTaskCompletedEventAttributes ?? event.activityTaskCompletedEventAttributes;
      if (done) expect(owner?.pids).toContain(pidOf(done.identity));
    }
  }
  expect(ids.sort()).toEqual(expected.flatMap((one) => one.ids).sort());

  // The end of a session of one kills its sandbox alone.
  const [ended, ...others] = sessions[0] as string[];
  await production.anthropic.beta.sessions.archive(ended as string);
  await workflowOf(production, ended as string).result();
  await until('its sandbox is gone', async () => Object.keys(await sandboxes()).length === 2 * SESSIONS - 1);
  const kept = Object.values(await sandboxes()).map(({ metadata }) => metadata.session);
  expect(kept.sort()).toEqual([...others, ...(sessions[1] as string[])].sort());
}, 180_000);
