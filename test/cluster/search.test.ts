// Sessions are found by their search attributes, by query and in the UI.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cluster } from '../../harness/cluster/cluster.ts';
import { statusOf } from '../../harness/session-workflow.ts';
import { createNamespace } from '../../harness/temporal-namespace.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { startChromium } from '../browser/chromium.ts';
import { startTestWorld } from '../test-world.ts';
import { startTestCluster } from './test-cluster.ts';

let cluster: Cluster;
let world: World;
beforeAll(async () => {
  cluster = await startTestCluster();
  // The router registers its search attributes itself.
  await createNamespace(cluster.address, 'router');
  const temporal = { address: cluster.address, namespace: 'router', uiUrl: cluster.uiUrl };
  world = await startTestWorld({ temporal, graceSeconds: 1 });
});
afterAll(async () => {
  await world?.close();
  await cluster?.close();
});

async function found(query: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of world.temporal.client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

it('by phase and environment', async () => {
  const { sessionWorkflowId } = world.names;
  const { environmentId } = world.simulators.anthropic;
  const paused = await openSession(world);
  await takeTurn(world.anthropic, paused, commands('true'));
  await until('it is paused', async () => (await statusOf(world, paused)).phase === 'paused');
  const working = await openSession(world);
  await sendMessage(world.anthropic, working, commands('sleep 300'));

  const query = (phase: string) =>
    `ExecutionStatus = 'Running' AND SessionPhase = '${phase}' AND EnvironmentId = '${environmentId}'`;
  const only = (phase: string, id: string) =>
    until(`the ${phase} session is found`, async () => (await found(query(phase))).join() === id);
  await only('paused', sessionWorkflowId(paused));
  await only('working', sessionWorkflowId(working));
  expect(await found(query('waiting for approval'))).toEqual([]);

  const browser = await startChromium();
  try {
    const page = await browser.newPage();
    const parameters = new URLSearchParams({ query: query('paused') });
    await page.goto(`${cluster.uiUrl}/namespaces/router/workflows?${parameters}`);
    await page.getByText(sessionWorkflowId(paused)).first().waitFor();
    expect(await page.getByText(sessionWorkflowId(working)).count()).toBe(0);
  } finally {
    await browser.close();
  }
});
