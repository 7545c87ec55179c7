// A shared sandbox over days, from the production bundle on a server that skips the waiting; its activities are scripted.
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createFindEndedWorkflows } from '../../../activities/sandbox/find-ended-workflows.ts';
import { until } from '../../../harness/until.ts';
import { createSessions } from '../../../src/clients/sessions.ts';
import {
  SANDBOX_WORKFLOW,
  sandboxWorkflowId,
  sessionChangedSignal,
  sessionWorkflowId,
  sharedSandboxLostSignal,
  sharedSandboxRequestedSignal,
  sharedSandboxReturnedSignal,
  sharedStatusQuery,
  slotGrantedSignal,
  slotQueuedSignal,
  statusQuery,
  TASK_QUEUE,
} from '../../../workflows/messages.ts';
import { watchUntilRecalled } from '../session-world.ts';
import { startSkippingWorld } from '../skipping-world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const DAY_MS = 24 * 3_600_000;
const settings = { retentionMs: DAY_MS };
let env: TestWorkflowEnvironment;
let close: () => Promise<void>;
/** Activities of the sandbox workflows, by key. */
const asked = new Map<string, string[]>();
let refusal: string | undefined;
let made = 0;

/** The key of a session, `sesn_<key>_<n>`. */
const keyOf = (sessionId: string) => sessionId.split('_')[1] ?? '';
const note = (key: string, what: string) => asked.set(key, [...(asked.get(key) ?? []), what]);

beforeAll(async () => {
  ({ env, close } = await startSkippingWorld(scripted, {
    maxHeartbeatThrottleInterval: '50ms',
    shutdownGraceTime: '100ms',
  }));
});
afterAll(() => close?.());

const scripted = ({ client }: TestWorkflowEnvironment) => ({
  inspectSession: async () => ({ ours: true, live: false, ended: null, orphanedCalls: [] }),
  claimWork: async () => ({ claimed: 0 }),
  stopWork: async () => undefined,
  restSession: async () => ({
    work: 'stopped',
    inspection: { ours: true, live: false, ended: null, orphanedCalls: [] },
  }),
  watchSession: watchUntilRecalled,
  requestSharedSandbox: async ({ sessionId, holder }: { sessionId: string; holder: string }) => {
    const workflowId = sandboxWorkflowId(keyOf(sessionId));
    await client.workflow.signalWithStart(SANDBOX_WORKFLOW, {
      workflowId,
      taskQueue: TASK_QUEUE,
      args: [{ key: keyOf(sessionId), environmentId: 'env_1', settings }],
      signal: sharedSandboxRequestedSignal,
      signalArgs: [{ holder, sessionId, settings }],
    });
    return { workflowId };
  },
  enterSharedSandbox: async ({ sandboxId }: { sandboxId: string }) => ({ sandboxId, how: 'connected' }),
  prepareSharedSandbox: async ({ key, sandboxId }: { key: string; sandboxId: string | null }) => {
    note(key, sandboxId ? 'resume' : 'create');
    if (refusal) throw ApplicationFailure.nonRetryable(refusal, 'final');
    made += sandboxId ? 0 : 1;
    return { sandboxId: sandboxId ?? `i${made}`, how: 'created' };
  },
  pauseSandbox: async () => {
    note(Context.current().info.workflowExecution?.workflowId.replace('sandbox-', '') ?? '', 'pause');
    return 'paused';
  },
  endSessionProcesses: async ({ sessionIds }: { sessionIds: string[] }) => {
    for (const id of sessionIds) note(keyOf(id), `dismiss ${id}`);
    return 'ended';
  },
  requestSlot: async ({ workflowId }: { workflowId: string }) => {
    await client.workflow.getHandle(workflowId).signal(slotQueuedSignal, { position: 3 });
  },
  killSandboxes: async ({ key }: { key: string }) => note(key, 'kill'),
  ...createFindEndedWorkflows({ temporal: client }),
});

function session(id: string) {
  const start = { graceMs: 200, ...settings, searchAttributes: false, scope: 'agent' as const };
  const sessions = createSessions(env.client, { environmentId: 'env_1', settings: start });
  const handle = env.client.workflow.getHandle(sessionWorkflowId(id));
  let turns = 0;
  return {
    handle,
    begin: async () => {
      turns += 1;
      await sessions.workClaimed(id, { workId: `work_${id}_${turns}`, sealedSecret: null });
    },
    inSandbox: () =>
      until(`${id} is in a sandbox`, async () => {
        const { phase, sandboxId } = await handle.query(statusQuery);
        return phase === 'working' && sandboxId;
      }),
    end: () =>
      handle.signal(sessionChangedSignal, { eventId: `e${turns}`, change: 'idle', reason: 'end_turn' }),
  };
}
const sandboxOf = (key: string) => env.client.workflow.getHandle(sandboxWorkflowId(key));
const phase = (key: string, wanted: string) =>
  until(`${key} is ${wanted}`, async () => (await sandboxOf(key).query(sharedStatusQuery)).phase === wanted);

it('shows its place where it has to wait for a running sandbox, and is made when there is one', async () => {
  const limited = { ...settings, limited: true };
  const handle = await env.client.workflow.signalWithStart(SANDBOX_WORKFLOW, {
    workflowId: sandboxWorkflowId('limited'),
    taskQueue: TASK_QUEUE,
    args: [{ key: 'limited', environmentId: 'env_1', settings: limited }],
    signal: sharedSandboxRequestedSignal,
    signalArgs: [
      { holder: sessionWorkflowId('sesn_limited_1'), sessionId: 'sesn_limited_1', settings: limited },
    ],
  });
  const waiting = await until('it has a place', async () => {
    const status = await handle.query(sharedStatusQuery);
    return status.waitingAt && status;
  });
  expect(waiting).toEqual({ phase: 'waiting for a sandbox', sandboxId: null, waitingAt: 3 });
  const { currentDetails } = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
  expect(currentDetails).toContain('sandbox: none waiting for a sandbox, position 3');
  expect(asked.get('limited')).toBeUndefined();
  await handle.signal(slotGrantedSignal);
  await until('it is made', async () => asked.get('limited')?.includes('create'));
});

it('is paused when the last session is idle, resumed for the next turn, and killed a day after the last', async () => {
  const [one, two] = [session('sesn_long_1'), session('sesn_long_2')];
  await Promise.all([one.begin(), two.begin()]);
  expect(await one.inSandbox()).toBe(await two.inSandbox());
  await one.end();
  await until(
    'the first one has returned it',
    async () => (await one.handle.query(statusQuery)).phase === 'paused',
  );
  expect(asked.get('long')).toEqual(['create']);
  await two.end();
  await phase('long', 'paused');
  await one.begin();
  await one.inSandbox();
  await one.end();
  await phase('long', 'paused');
  expect(asked.get('long')).toEqual(['create', 'pause', 'resume', 'pause']);
  await env.sleep(DAY_MS - 3_600_000);
  expect(asked.get('long')).not.toContain('kill');
  await env.sleep(2 * 3_600_000);
  await sandboxOf('long').result();
  expect(asked.get('long')?.at(-1)).toBe('kill');
});

it('notices a session that was terminated without returning it, and ends what it left running', async () => {
  // A workflow that only waits: an activity of a terminated one would hold up the server's clock.
  const holder = sessionWorkflowId('sesn_dead_1');
  const waiting = { key: 'waiting', environmentId: 'env_1', settings };
  const handle = await env.client.workflow.start(SANDBOX_WORKFLOW, {
    workflowId: holder,
    taskQueue: TASK_QUEUE,
    args: [waiting],
  });
  await env.client.workflow.signalWithStart(SANDBOX_WORKFLOW, {
    workflowId: sandboxWorkflowId('dead'),
    taskQueue: TASK_QUEUE,
    args: [{ ...waiting, key: 'dead' }],
    signal: sharedSandboxRequestedSignal,
    signalArgs: [{ holder, sessionId: 'sesn_dead_1', settings }],
  });
  await phase('dead', 'running');
  await env.sleep('6 minutes');
  expect(asked.get('dead')).toEqual(['create']);
  await handle.terminate('by hand');
  await env.sleep('6 minutes');
  await phase('dead', 'paused');
  expect(asked.get('dead')).toEqual(['create', 'dismiss sesn_dead_1', 'pause']);
});

it('says why there is none, and tries again with the next turn', async () => {
  refusal = 'E2B refuses the key: set E2B_API_KEY';
  const one = session('sesn_refused_1');
  await one.begin();
  await until('the reason is shown', async () =>
    (await one.handle.query(statusQuery)).attention[0]?.what.includes('set E2B_API_KEY'),
  );
  refusal = undefined;
  await one.begin();
  expect(await one.inSandbox()).toBeTruthy();
  await one.end();
});

it('goes on in a new run with its holders and its sandbox', async () => {
  const one = session('sesn_renewed_1');
  await one.begin();
  const sandboxId = await one.inSandbox();
  const handle = sandboxOf('renewed');
  const { runId } = await handle.describe();
  // Says nothing new; each is in the history.
  for (let n = 0; n < 900; n += 1) await handle.signal(sharedSandboxLostSignal, { sandboxId: 'another' });
  await until('it is renewed', async () => (await handle.describe()).runId !== runId);
  expect(await handle.query(sharedStatusQuery)).toEqual({ phase: 'running', sandboxId });
  await one.end();
  await until('it is paused', async () => (asked.get('renewed')?.length ?? 0) > 1);
  expect(asked.get('renewed')).toEqual(['create', 'pause']);
});

it('is not held up by malformed messages', async () => {
  const one = session('sesn_odd_1');
  await one.begin();
  await one.inSandbox();
  for (const signal of [sharedSandboxRequestedSignal, sharedSandboxReturnedSignal, sharedSandboxLostSignal])
    for (const message of [null, 7, {}, { holder: 3 }]) await sandboxOf('odd').signal(signal.name, message);
  await one.end();
  await phase('odd', 'paused');
});
