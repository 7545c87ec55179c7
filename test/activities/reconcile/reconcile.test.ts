// The reconcile against both simulators; each test says what Temporal knows of the sessions.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createReconcile } from '../../../activities/reconcile/reconcile.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { sandboxMetadata, sharedMetadata } from '../../../activities/sandbox/prepare-sandbox.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { bash, type Fixture, script, startFixture } from '../../../simulators/test/managed-agents.ts';
import { sandboxWorkflowId, sessionWorkflowId } from '../../../workflows/messages.ts';
import { activityContext, testDeps } from '../deps.ts';
import { e2b } from '../e2b.ts';

let anthropic: Fixture;
beforeEach(async () => {
  anthropic = await startFixture();
});
afterEach(() => anthropic.close());

const AN_HOUR_AGO = () => new Date(Date.now() - 3_600_000).toISOString();

/** A router that knows these session workflows. */
function router() {
  const workflows = new Map<string, { phase: string; sandboxId: string | null }>();
  const told: { sessionId: string; what: string }[] = [];
  const getHandle = (id: string) => ({
    describe: async () => {
      if (!workflows.has(id)) throw new WorkflowNotFoundError('none', id, undefined);
      return { status: { name: 'RUNNING' }, typedSearchAttributes: { get: () => undefined } };
    },
    query: async () => workflows.get(id),
  });
  const queries: string[] = [];
  async function* list({ query }: { query: string }) {
    queries.push(query);
    for (const workflowId of workflows.keys()) yield { workflowId };
  }
  const temporal = { workflow: { getHandle, list } } as unknown as Client;
  const deps = testDeps({ anthropic, e2b }, { temporal });
  deps.sessions.sessionChangedIfRunning = async (sessionId, { change }) =>
    Boolean(told.push({ sessionId, what: change }));
  deps.sessions.unattendedTurnFound = async (sessionId) =>
    void told.push({ sessionId, what: 'unattended turn' });
  const open = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const { reconcile } = createReconcile(deps, open, new WorkClaims(deps));
  const { environmentId } = anthropic;
  return {
    deps,
    told,
    queries,
    knows: (sessionId: string, phase: string, sandboxId: string | null) =>
      workflows.set(sessionWorkflowId(sessionId), { phase, sandboxId }),
    knowsShared: (key: string, phase: string, sandboxId: string | null) =>
      workflows.set(sandboxWorkflowId(key), { phase, sandboxId }),
    forgetShared: (key: string) => workflows.delete(sandboxWorkflowId(key)),
    reconcile: (): Promise<string[]> => activityContext().run(reconcile, { environmentId }),
    sandbox: async (sessionId: string, more: Record<string, string> = {}) =>
      deps.e2b.Sandbox.create(e2b.template, {
        metadata: { ...sandboxMetadata(environmentId, sessionId), created_at: AN_HOUR_AGO(), ...more },
        lifecycle: { onTimeout: 'pause' },
        timeoutMs: 600_000,
      }),
    stateOf: async (sandboxId: string) =>
      deps.e2b.Sandbox.getInfo(sandboxId).then(
        ({ state }) => state,
        () => 'gone',
      ),
  };
}
const newSession = async () => {
  const { agentId: agent, environmentId: environment_id } = anthropic;
  return (await anthropic.organization.beta.sessions.create({ agent, environment_id })).id;
};
const expectUntouched = async (one: ReturnType<typeof router>, sandboxId: string) => {
  expect(await one.reconcile()).toEqual([]);
  expect(await one.stateOf(sandboxId)).toBe('running');
};

it('adopts an item that was acknowledged and never held, once that is certain', async () => {
  const one = router();
  await anthropic.startSession('hello');
  const item = await anthropic.poll();
  await anthropic.environment.beta.environments.work.ack(item.id, { environment_id: item.environment_id });
  expect(await one.reconcile()).toEqual([]);
  const list = anthropic.environment.beta.environments.work.list.bind(
    one.deps.anthropic.environment.beta.environments.work,
  );
  one.deps.anthropic.environment.beta.environments.work.list = ((...args: Parameters<typeof list>) =>
    older(list(...args))) as unknown as typeof list;
  expect(await one.reconcile()).toEqual([`adopted work item ${item.id}, acknowledged and never held`]);
  expect(one.deps.recorded.claimed).toMatchObject([{ workId: item.id, sessionId: item.data.id }]);
});

it('never kills a shared sandbox that its workflow holds, pauses it where nobody needs it, and puts one aside that has no workflow', async () => {
  const one = router();
  const metadata = { ...sharedMetadata(anthropic.environmentId, 'env-agent'), created_at: AN_HOUR_AGO() };
  const { sandboxId } = await one.deps.e2b.Sandbox.create(e2b.template, {
    metadata,
    lifecycle: { onTimeout: 'pause' },
    timeoutMs: 600_000,
  });
  one.knowsShared('env-agent', 'running', sandboxId);
  await expectUntouched(one, sandboxId);
  one.knowsShared('env-agent', 'waking', null);
  await expectUntouched(one, sandboxId);
  one.forgetShared('env-agent');
  expect(await one.reconcile()).toEqual([
    `paused sandbox ${sandboxId}: no workflow ${sandboxWorkflowId('env-agent')} runs`,
  ]);
  expect(await one.stateOf(sandboxId)).toBe('paused');
  await one.deps.e2b.Sandbox.kill(sandboxId);
});

/** The same items, acknowledged and heartbeated a quarter of an hour earlier. */
async function* older(
  items: AsyncIterable<{ acknowledged_at: string | null; latest_heartbeat_at: string | null }>,
) {
  const back = (at: string | null) => at && new Date(Date.parse(at) - 900_000).toISOString();
  for await (const item of items)
    yield {
      ...item,
      acknowledged_at: back(item.acknowledged_at),
      latest_heartbeat_at: back(item.latest_heartbeat_at),
    };
}

it('adopts an item that went silent, whoever held it, none that is heartbeated', async () => {
  const one = router();
  await anthropic.startSession('hello');
  const item = await anthropic.poll();
  const { work } = anthropic.environment.beta.environments;
  await work.ack(item.id, { environment_id: item.environment_id });
  await work.heartbeat(item.id, {
    environment_id: item.environment_id,
    expected_last_heartbeat: 'NO_HEARTBEAT',
  });
  // Its lease is renewed, so another worker, perhaps another program, holds it.
  expect(await one.reconcile()).toEqual([]);
  const theirs = one.deps.anthropic.environment.beta.environments.work;
  const list = theirs.list.bind(theirs);
  theirs.list = ((...args: Parameters<typeof list>) => older(list(...args))) as unknown as typeof list;
  // Its workflow lost it, or its worker died: only the workflow knows which, so it gets a signal in both cases.
  one.knows(item.data.id, 'paused', null);
  expect(await one.reconcile()).toEqual([
    `adopted work item ${item.id}, without a heartbeat for longer than a lease holds`,
  ]);
  expect(one.deps.recorded.claimed).toMatchObject([{ workId: item.id, sessionId: item.data.id }]);
});

it('wakes a session that waits for results with no work item, and leaves one at rest alone', async () => {
  const one = router();
  const stuck = await anthropic.startSession(script([bash('ls')]));
  const quiet = await anthropic.startSession('hello');
  await anthropic.calls(stuck, 1);
  for (const _item of [stuck, quiet]) {
    const { id, environment_id } = await anthropic.poll();
    await anthropic.environment.beta.environments.work.stop(id, { environment_id, force: true });
  }
  expect(await one.reconcile()).toEqual([`session ${stuck} has a turn under way and no work item`]);
  expect(one.told).toEqual([{ sessionId: stuck, what: 'unattended turn' }]);
});

it('tells a sleeping workflow that its session was archived or deleted meanwhile', async () => {
  const one = router();
  const [archived, deleted, asleep] = [await newSession(), await newSession(), await newSession()];
  for (const id of [archived, deleted, asleep]) {
    const { sandboxId } = await one.sandbox(id);
    await one.deps.e2b.Sandbox.pause(sandboxId);
    one.knows(id, 'paused', sandboxId);
  }
  // Their items were let go: without this they would count as held.
  for (const _item of [archived, deleted, asleep]) {
    const { id, environment_id } = await anthropic.poll();
    await anthropic.environment.beta.environments.work.stop(id, { environment_id, force: true });
  }
  await anthropic.organization.beta.sessions.archive(archived);
  await anthropic.organization.beta.sessions.delete(deleted);
  await one.reconcile();
  expect(one.told).toHaveLength(2);
  expect(one.told).toContainEqual({ sessionId: archived, what: 'archived' });
  expect(one.told).toContainEqual({ sessionId: deleted, what: 'deleted' });
});

it('finds a session that ended while it slept over a shared sandbox', async () => {
  const one = router();
  await anthropic.set({ 'work-item-at': 'message' });
  const sessionId = await newSession();
  one.knows(sessionId, 'paused', null);
  await anthropic.organization.beta.sessions.archive(sessionId);
  expect(await one.reconcile()).toEqual([]);
  expect(one.queries).toEqual([]);
  one.deps.config.session.scope = 'agent';
  expect(await one.reconcile()).toEqual([`session ${sessionId} was archived while its workflow slept`]);
  expect(one.told).toEqual([{ sessionId, what: 'archived' }]);
  expect(one.queries[0]).toContain(
    `EnvironmentId = '${anthropic.environmentId}' AND SessionPhase = 'paused'`,
  );
});

it('pauses a sandbox whose session has no workflow, and kills it once the session is over', async () => {
  const one = router();
  const id = await newSession();
  const { sandboxId } = await one.sandbox(id);
  expect(await one.reconcile()).toEqual([`paused sandbox ${sandboxId}: session ${id} has no workflow`]);
  expect(await one.stateOf(sandboxId)).toBe('paused');
  expect(await one.reconcile()).toEqual([]);
  await anthropic.organization.beta.sessions.archive(id);
  expect(await one.reconcile()).toEqual([`killed sandbox ${sandboxId}: session ${id} is archived`]);
  expect(await one.stateOf(sandboxId)).toBe('gone');
});

it('kills what nobody used for as long as the retention', async () => {
  const one = router();
  const id = await newSession();
  const { sandboxId } = await one.sandbox(id);
  await one.deps.e2b.Sandbox.pause(sandboxId);
  one.deps.config.session.retentionMs = -1;
  expect(await one.reconcile()).toEqual([
    `killed sandbox ${sandboxId}: session ${id} has no workflow, unused past its retention`,
  ]);
});

it('pauses a sandbox that runs on although its session is idle, not one that was just resumed', async () => {
  const one = router();
  const id = await newSession();
  const { sandboxId } = await one.sandbox(id);
  one.knows(id, 'paused', sandboxId);
  await expectUntouched(one, sandboxId);
  neverResumed(one);
  expect(await one.reconcile()).toEqual([`paused sandbox ${sandboxId}: session ${id} is idle`]);
  expect(await one.stateOf(sandboxId)).toBe('paused');
});

/** From here on its sandboxes run since they were made. */
function neverResumed({ deps }: ReturnType<typeof router>): void {
  const { list } = deps.e2b.Sandbox;
  deps.e2b.Sandbox.list = ((...args: Parameters<typeof list>) => {
    const pages = list.apply(deps.e2b.Sandbox, args);
    const nextItems = pages.nextItems.bind(pages);
    pages.nextItems = async () =>
      (await nextItems()).map((info) => ({ ...info, startedAt: new Date(info.metadata.created_at ?? '') }));
    return pages;
  }) as typeof list;
}

it('of two sandboxes of a session keeps the assigned one, and no other unless a call ran in it', async () => {
  const one = router();
  const [id, busy] = [await newSession(), await newSession()];
  const [kept, empty] = [await one.sandbox(id), await one.sandbox(id)];
  const [assigned, used] = [await one.sandbox(busy), await one.sandbox(busy)];
  await used.commands.run('echo \'{"id":"sevt_1"}\' > /var/lib/toolhost/calls.jsonl', { user: 'root' });
  one.knows(id, 'working', kept.sandboxId);
  one.knows(busy, 'working', assigned.sandboxId);
  neverResumed(one);
  const findings = await one.reconcile();
  expect(findings).toHaveLength(2);
  expect(await one.stateOf(empty.sandboxId)).toBe('gone');
  expect(await one.stateOf(used.sandboxId)).toBe('paused');
  expect(await one.stateOf(kept.sandboxId)).toBe('running');
  expect(await one.stateOf(assigned.sandboxId)).toBe('running');
});

it('touches nothing that is not ours, nor what was made a moment ago', async () => {
  const one = router();
  const create = (metadata: Record<string, string>) =>
    one.deps.e2b.Sandbox.create(e2b.template, { metadata, timeoutMs: 600_000 });
  const foreign = [
    await create({}),
    await create({ managed_by: 'somebody', session: 'sesn_1', created_at: AN_HOUR_AGO() }),
    await create({ ...sandboxMetadata('env_other', 'sesn_1'), created_at: AN_HOUR_AGO() }),
    await one.sandbox('sesn_new', { created_at: new Date().toISOString() }),
  ];
  expect(await one.reconcile()).toEqual([]);
  for (const { sandboxId } of foreign) expect(await one.stateOf(sandboxId)).toBe('running');
});
