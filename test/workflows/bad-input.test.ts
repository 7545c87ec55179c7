// What a stranger with access to the cluster, or an older build, may send to a session's workflow: none of it fails a
// workflow task, and all of it is counted.
import type { ApplicationFailure } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionView } from '../../activities/session/session-view.ts';
import { until } from '../../harness/until.ts';
import { taskFailureOf } from '../../src/cli/sessions/history.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools, type WorkerPools } from '../../src/worker-pools.ts';
import { SESSION_WORKFLOW, statusQuery, TASK_QUEUE } from '../../workflows/messages.ts';
import { openSession } from '../../workflows/session/state.ts';
import { UPDATE_MALFORMED } from '../../workflows/updates.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';

quietTemporal();

let temporal: TestNamespace;
let pools: WorkerPools;
let running: Promise<void>;
beforeAll(async () => {
  temporal = await newNamespace();
  pools = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: {
      connection: await NativeConnection.connect(temporal.config.connectionOptions),
      namespace: temporal.config.namespace,
    },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: {
      inspectSession: async () => ({ ours: true, live: false, ended: null, orphanedCalls: [] }),
      claimWork: async () => ({ claimed: 0 }),
      killSandboxes: async () => [],
    },
  });
  running = pools.run();
});
afterAll(async () => {
  pools?.shutdown();
  await running;
  await temporal?.close();
});

const start = {
  sessionId: 'sesn_1',
  environmentId: 'env_1',
  settings: { graceMs: 1000, retentionMs: 3_600_000, searchAttributes: false },
};
let sessions = 0;
const begin = (input: unknown) => {
  sessions += 1;
  return temporal.client.workflow.start(SESSION_WORKFLOW, {
    workflowId: `session-${sessions}`,
    taskQueue: TASK_QUEUE,
    args: [input],
  });
};
type Handle = Awaited<ReturnType<typeof begin>>;

async function expectWell(handle: Handle, malformedSignals: number): Promise<void> {
  await expect
    .poll(async () => (await handle.query(statusQuery)).malformedSignals, { timeout: 15_000 })
    .toBe(malformedSignals);
  const { events } = await handle.fetchHistory();
  const failed = events?.filter(taskFailureOf) ?? [];
  expect(failed).toEqual([]);
}

const HUGE = 'x'.repeat(1_500_000);
const ODD: [string, string, unknown][] = [
  ['nothing', 'webhookReceived', null],
  ['a number', 'webhookReceived', 7],
  ['a list', 'workClaimed', [1, 2]],
  ['an empty object', 'toolCallsRequested', {}],
  ['calls without names', 'toolCallsRequested', { calls: [{ id: 'sevt_1' }] }],
  ['calls that are none', 'toolCallsRequested', { calls: [null] }],
  [
    'more calls than any model makes',
    'toolCallsRequested',
    { calls: Array(251).fill({ id: 'a', name: 'b', preview: 'c' }) },
  ],
  [
    'more ids than a message holds',
    'toolCallsClosed',
    { eventId: 'e', why: 'x', callIds: Array(251).fill('a') },
  ],
  [
    'a call with a long id',
    'toolCallsRequested',
    { calls: [{ id: 'i'.repeat(201), name: 'bash', preview: '' }] },
  ],
  [
    'a call of an odd thread',
    'toolCallsRequested',
    { calls: [{ id: 'sevt_1', name: 'bash', preview: '', threadId: {} }] },
  ],
  ['a huge text', 'webhookReceived', { eventId: HUGE, type: 'x' }],
  ['a huge secret', 'workClaimed', { workId: 'work_1', sealedSecret: HUGE }],
  ['a secret that is none', 'workClaimed', { workId: 'work_1', sealedSecret: { a: 1 } }],
  ['ids that are none', 'toolCallsClosed', { eventId: 'e', why: 'x', callIds: [{}] }],
  ['an unknown change', 'sessionChanged', { eventId: 'e', change: 'resurrected' }],
  ['a change without its reason', 'sessionChanged', { eventId: 'e', change: 'idle', reason: 5 }],
];

it('counts odd signals and goes on', async () => {
  const handle = await begin(start);
  for (const [index, [, signal, message]] of ODD.entries()) {
    await handle.signal(signal, message);
    await expectWell(handle, index + 1);
  }
  expect((await handle.query(statusQuery)).openCalls).toEqual([]);
}, 60_000);

const UPDATES = ['pause', 'resume', 'interrupt', 'replaceSandbox', 'repost', 'answer', 'end'];
const DEEP = JSON.parse(`${'['.repeat(2_000)}${']'.repeat(2_000)}`) as unknown;
const MALFORMED: [string, unknown][] = [
  ['nothing', null],
  ['a number', 7],
  ['a text', 'anna'],
  ['a list', [{ by: 'anna' }]],
  ['an empty object', {}],
  ['a name that is none', { by: { toString: 'anna' } }],
  ['a blank name', { by: ' \n' }],
  ['a long name', { by: 'x'.repeat(201) }],
  ['a huge name', { by: HUGE }],
  ['a deep name', { by: DEEP }],
];
const ODD_FIELDS: [string, string, object][] = [
  ['replaceSandbox', 'force that is no boolean', { force: 'yes' }],
  ['repost', 'a call that is none', { callId: ['sevt_1'] }],
  ['repost', 'a long call', { callId: 'i'.repeat(201) }],
  ['answer', 'no call', { text: 'x' }],
  ['answer', 'no text', { callId: 'sevt_1' }],
  ['answer', 'a long text', { callId: 'sevt_1', text: 'x'.repeat(10_001) }],
  ['answer', 'a huge text', { callId: 'sevt_1', text: HUGE }],
  ['answer', 'a text that is none', { callId: 'sevt_1', text: { a: 1 } }],
  ['answer', 'an error that is none', { callId: 'sevt_1', text: 'x', isError: 1 }],
];

it('rejects malformed updates before they enter the history, and goes on', async () => {
  const handle = await begin(start);
  await until('nothing is under way', async () => {
    const { pendingActivities = [] } = (await handle.describe()).raw;
    const { events } = await handle.fetchHistory();
    return pendingActivities?.length === 0 && events?.at(-1)?.timerStartedEventAttributes;
  });
  const before = (await handle.fetchHistory()).events?.length;
  const ask = (name: string, ...args: unknown[]) =>
    handle.executeUpdate<unknown, [unknown]>(name, { args: args as [unknown] }).then(
      () => 'accepted',
      ({ cause }) => (cause as ApplicationFailure)?.type,
    );
  for (const name of UPDATES) {
    expect(await ask(name), `${name} of no argument`).toBe(UPDATE_MALFORMED);
    for (const [what, args] of MALFORMED)
      expect(await ask(name, args), `${name} of ${what}`).toBe(UPDATE_MALFORMED);
  }
  for (const [name, what, more] of ODD_FIELDS)
    expect(await ask(name, { by: 'anna', ...more }), `${name} with ${what}`).toBe(UPDATE_MALFORMED);
  for (const name of ['selfDestruct', '__temporal_selfDestruct'])
    for (const [what, args] of MALFORMED)
      expect(await ask(name, args), `${name} of ${what}`).not.toBe('accepted');
  await expectWell(handle, 0);
  const { events } = await handle.fetchHistory();
  expect(events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toEqual([]);
  expect(events?.length).toBe(before);
  expect(await ask('pause', { by: 'anna', junk: HUGE.slice(0, 1_000) })).toBe('accepted');
}, 60_000);

it.each([
  ['of an unknown encoding', { encoding: Buffer.from('binary/strange') }, Buffer.from([1, 2, 3])],
  ['of broken JSON', { encoding: Buffer.from('json/plain') }, Buffer.from('{"by":')],
  ['without an encoding', {}, Buffer.from('?')],
])('rejects an update whose payload is %s', async (_what, metadata, data) => {
  const handle = await begin(start);
  await expectWell(handle, 0);
  const { outcome } = await temporal.connection.workflowService.updateWorkflowExecution({
    namespace: temporal.config.namespace,
    workflowExecution: { workflowId: handle.workflowId },
    waitPolicy: { lifecycleStage: 3 },
    request: {
      meta: { updateId: 'odd-1' },
      input: { name: 'pause', args: { payloads: [{ metadata, data }] } },
    },
  });
  expect(outcome?.failure?.applicationFailureInfo?.type).toBe(UPDATE_MALFORMED);
  await expectWell(handle, 0);
});

it.each([
  ['of an unknown encoding', { encoding: Buffer.from('binary/strange') }, Buffer.from([1, 2, 3])],
  ['of broken JSON', { encoding: Buffer.from('json/plain') }, Buffer.from('{"eventId":')],
  ['without an encoding', {}, Buffer.from('?')],
])('reads a payload %s as an odd signal', async (_what, metadata, data) => {
  const handle = await begin(start);
  await temporal.connection.workflowService.signalWorkflowExecution({
    namespace: temporal.config.namespace,
    workflowExecution: { workflowId: handle.workflowId },
    signalName: 'webhookReceived',
    input: { payloads: [{ metadata, data }] },
  });
  await expectWell(handle, 1);
});

it('carries no more of a message along than it knows', async () => {
  const handle = await begin(start);
  const call = { id: 'sevt_1', name: 'bash', preview: 'p'.repeat(4000), awaitingApproval: true, junk: HUGE };
  await handle.signal('toolCallsRequested', { calls: [call] });
  await expectWell(handle, 0);
  const [open] = (await handle.query(statusQuery)).openCalls;
  expect(open).toMatchObject({ id: 'sevt_1', state: 'waiting for approval' });
});

describe('a state that another build has carried over', () => {
  const state = openSession(start, Date.now());

  it('may lack what came later, and hold what is not known yet', async () => {
    const { lastCalls, answered, malformedSignals, attention, ...older } = state;
    const handle = await begin({ ...older, version: 0, callsDone: 3, future: { a: 1 } });
    await expectWell(handle, 0);
    expect(await handle.query(statusQuery)).toMatchObject({ callsDone: 3, attention: [] });
  });

  it.each([
    ['nothing', null],
    ['a text', 'sesn_1'],
    ['an object without a session', { version: 1, start: {} }],
    ['settings that are none', { ...start, settings: 5 }],
  ])('that is %s fails the workflow, not its task', async (_what, input) => {
    const handle = await begin(input);
    await expect(handle.result()).rejects.toMatchObject({
      cause: { message: 'the input is neither a session nor its state' },
    });
  });
});

it('passes over events of unknown types, and unknown fields of known ones', () => {
  const view = new SessionView([], 'idle');
  const apply = (event: object) => view.apply(event as Parameters<SessionView['apply']>[0]);
  apply({ id: 'sevt_1', type: 'session.teleported', to: 'mars' });
  apply({
    id: 'sevt_2',
    type: 'agent.tool_use',
    name: 'bash',
    input: null,
    evaluated_permission: 'maybe',
    x: {},
  });
  apply({ id: 'sevt_3', type: 'agent.tool_use', name: 'levitate', input: {} });
  const { opened, closed, change } = view.report();
  // A permission that we do not know waits for an approval.
  expect(opened).toEqual([{ id: 'sevt_2', name: 'bash', preview: 'null', awaitingApproval: true }]);
  expect({ closed, change }).toEqual({ closed: [], change: null });
  expect(view.skippedEvents).toEqual({ 'session.teleported': 1 });
});

it('passes over events that lack what is always there, and goes on with the next', () => {
  const view = new SessionView([], 'running');
  const apply = (event: object) => view.apply(event as Parameters<SessionView['apply']>[0]);
  apply({ id: 'sevt_1', type: 'session.status_idle' });
  apply({ id: 'sevt_2', type: 'session.status_idle', stop_reason: null });
  apply({ id: 'sevt_3' });
  expect(view.report()).toEqual({ opened: [], closed: [], change: null });
  apply({ id: 'sevt_4', type: 'session.status_idle', stop_reason: { type: 'end_turn' } });
  expect(view.report().change).toMatchObject({ change: 'idle', reason: 'end_turn' });
  expect(view.skippedEvents).toEqual({ 'session.status_idle': 2, undefined: 1 });
});

it('tells a few odd types apart, and counts the others together', () => {
  const view = new SessionView([], 'idle');
  for (let id = 0; id < 500; id += 1)
    view.apply({ id: `sevt_${id}`, type: `odd.${id}${'x'.repeat(500)}` } as never);
  expect(Object.keys(view.skippedEvents ?? {})).toHaveLength(11);
  expect(view.skippedEvents?.others).toBe(490);
  expect(JSON.stringify(view.skippedEvents).length).toBeLessThan(1_000);
});
