// Spans of work items whose lease is lost, and of shared sandboxes, over OTLP.
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { defineActivity } from '../../activities/define-activity.ts';
import { createLogger } from '../../src/log.ts';
import { startTraces } from '../../src/traces/start-traces.ts';
import { SANDBOX_WORKFLOW, SLOTS_WORKFLOW } from '../../workflows/messages.ts';
import { startReceiver } from '../integration/otlp-receiver.ts';
import { cloud, eventually, watch } from './session/watched-session.ts';

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let traces: ReturnType<typeof startTraces>;
beforeAll(async () => {
  receiver = await startReceiver();
  const settings = { endpoint: receiver.url, headers: '', serviceName: 'router', sampleRatio: 1 };
  traces = startTraces(settings, createLogger('silent'));
});
afterAll(async () => {
  await traces.stop();
  await receiver.close();
});

const named = (name: string) => receiver.spans.filter((span) => span.name === name);

it('a work item whose lease is lost has a span that says so, from the time when it was claimed', async () => {
  const heldSince = Date.now() - 60_000;
  await cloud.set({ 'lease-ttl-seconds': '3' });
  const lost = await watch('hello', undefined, { heldSince });
  await eventually(() => lost.changes().includes('idle'));
  await cloud.admin('POST', '/faults', { route: 'work.heartbeat', kind: 'status', status: 404 });
  expect(await lost.watching).toMatchObject({ why: 'lost' });
  await expect.poll(() => named('anthropic.environment.work')).toHaveLength(1);
  const [span] = named('anthropic.environment.work');
  expect(span).toMatchObject({ parentSpanId: '', status: 2, startedAt: heldSince });
  expect(span?.attributes).toMatchObject({
    'anthropic.session.id': lost.sessionId,
    'anthropic.environment.work.id': lost.item.workId,
    'error.type': 'lease_lost',
  });
});

it('a rest of which a part has failed for good has a span that says so', async () => {
  const rest = defineActivity(async () => ({ work: { failed: 'refused' }, sandbox: 'paused' }));
  await new MockActivityEnvironment({
    activityType: 'restSession',
    workflowExecution: { workflowId: 'session-sesn_1', runId: 'run_1' },
  }).run(rest);
  await expect.poll(() => named('managed_agents_router.rest_session')).toHaveLength(1);
  const [span] = named('managed_agents_router.rest_session');
  expect(span).toMatchObject({ status: 2, attributes: { 'error.type': 'final' } });
});

it('activities of a shared sandbox are one trace of its workflow; those of other workflows have no span', async () => {
  const activity = defineActivity(async () => ({ sandboxId: 'ishared1' }));
  const run = (activityId: string, activityType: string, workflowType: string) =>
    new MockActivityEnvironment({
      activityId,
      activityType,
      workflowType,
      workflowExecution: { workflowId: 'sandbox-env_1', runId: 'run_1' },
    }).run(activity);
  await run('1', 'findEndedWorkflows', SLOTS_WORKFLOW);
  await run('2', 'prepareSharedSandbox', SANDBOX_WORKFLOW);
  await run('3', 'pauseSandbox', SANDBOX_WORKFLOW);
  await expect.poll(() => named('managed_agents_router.pause_sandbox')).toHaveLength(1);
  const [prepare] = named('managed_agents_router.prepare_shared_sandbox');
  const [pause] = named('managed_agents_router.pause_sandbox');
  expect(prepare?.traceId).toBe(pause?.traceId);
  expect(prepare?.attributes).toMatchObject({
    temporalWorkflowId: 'sandbox-env_1',
    'e2b.sandbox.id': 'ishared1',
  });
  expect(prepare?.attributes['anthropic.session.id']).toBeUndefined();
  expect(named('managed_agents_router.find_ended_workflows')).toEqual([]);
});
