import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { openSecret } from '../../../activities/work-queue/item-secret.ts';
import { createWorkQueueActivities } from '../../../activities/work-queue/watch-queue.ts';
import { type Fixture, startFixture, statusOf } from '../../../simulators/test/managed-agents.ts';
import { DRAINED_MEMO } from '../../../workflows/messages.ts';
import { activityContext, testDeps } from '../deps.ts';

let cloud: Fixture;
beforeEach(async () => {
  cloud = await startFixture();
});
afterEach(() => cloud.close());

const stateOf = async (workId: string) => {
  const { environmentId } = cloud;
  const work = await cloud.organization.beta.environments.work.retrieve(workId, {
    environment_id: environmentId,
  });
  return work.state;
};

describe('a claim', () => {
  it('hands every item to its session before it acknowledges it', async () => {
    const deps = testDeps({ anthropic: cloud });
    const sessions = [await cloud.startSession('hello'), await cloud.startSession('hello')];
    const states: string[] = [];
    const { workClaimed } = deps.sessions;
    deps.sessions.workClaimed = async (sessionId, work) => {
      states.push(await stateOf(work.workId));
      await workClaimed(sessionId, work);
    };
    expect(await new WorkClaims(deps).drain()).toBe(2);
    expect(deps.recorded.claimed.map(({ sessionId }) => sessionId).sort()).toEqual(sessions.sort());
    expect(states).toEqual(['queued', 'queued']);
    for (const { workId } of deps.recorded.claimed) expect(await stateOf(workId)).toBe('starting');
  });

  it('counts as one worker that polls, however often and for how many environments', async () => {
    const second = await cloud.organization.beta.environments.create({
      name: 'second',
      config: { type: 'self_hosted' },
    });
    const { key } = await cloud.admin('POST', `/environments/${second.id}/keys`);
    const other = testDeps({
      anthropic: { ...cloud, environmentId: second.id, environmentKey: String(key) },
    });
    for (const deps of [testDeps({ anthropic: cloud }), testDeps({ anthropic: cloud }), other])
      await new WorkClaims(deps).drain();
    for (const environment of [cloud.environmentId, second.id]) {
      const stats = await cloud.organization.beta.environments.work.stats(environment);
      expect(stats.workers_polling).toBe(1);
    }
  });

  it('keeps no session waiting for another one whose workflow takes no message', async () => {
    const deps = testDeps({ anthropic: cloud });
    const [slow] = [await cloud.startSession('hello'), await cloud.startSession('hello')];
    const { workClaimed } = deps.sessions;
    let answer: () => void = () => undefined;
    deps.sessions.workClaimed = async (sessionId, work) => {
      if (sessionId === slow)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      await workClaimed(sessionId, work);
    };
    const claims = new WorkClaims(deps);
    const first = claims.drain();
    const claimed = () => deps.recorded.claimed.map(({ sessionId }) => sessionId);
    await expect.poll(claimed).toHaveLength(1);
    // Nor does the queue wait.
    const third = await cloud.startSession('hello');
    await expect.poll(() => claims.drain().then(() => claimed(), claimed)).toContain(third);
    expect(claimed()).not.toContain(slow);
    answer();
    await first;
    expect(claimed()).toContain(slow);
  });

  it('passes the secret on sealed', async () => {
    const deps = testDeps({ anthropic: cloud });
    await cloud.startSession('hello');
    await new WorkClaims(deps).drain();
    const { sealedSecret, sessionId = '' } = deps.recorded.claimed[0] ?? {};
    expect(JSON.stringify(deps.recorded)).not.toContain('sk-ant');
    const opened = openSecret(sealedSecret ?? '', cloud.environmentKey, sessionId);
    expect(Buffer.from(opened ?? '', 'base64url').toString()).toContain('sk-ant-req-');
  });

  it('leaves an item in the queue that could not be handed over', async () => {
    const deps = testDeps({ anthropic: cloud });
    await cloud.startSession('hello');
    const { workClaimed } = deps.sessions;
    deps.sessions.workClaimed = () => Promise.reject(new Error('Temporal is away'));
    await expect(new WorkClaims(deps).drain()).rejects.toThrow('Temporal is away');
    deps.sessions.workClaimed = workClaimed;
    await cloud.admin('POST', '/clock', { advanceMs: 10_000 });
    expect(await new WorkClaims(deps).drain()).toBe(1);
  });

  it.each(['commit-then-status', 'status', 'commit-then-drop', 'drop'])(
    'survives an acknowledgement that fails once: %s',
    async (kind) => {
      const deps = testDeps({ anthropic: cloud });
      await cloud.startSession('hello');
      await cloud.admin('POST', '/faults', { route: 'work.ack', kind, status: 500, times: 1 });
      expect(await new WorkClaims(deps).drain()).toBe(1);
      expect(await stateOf(deps.recorded.claimed[0]?.workId ?? '')).toBe('starting');
    },
  );

  it.each(['200', '409', '404'])('survives "acknowledged already" as %s', async (answer) => {
    await cloud.set({ 'ack-twice': answer });
    const deps = testDeps({ anthropic: cloud });
    await cloud.startSession('hello');
    await cloud.admin('POST', '/faults', {
      route: 'work.ack',
      kind: 'commit-then-status',
      status: 500,
      times: 1,
    });
    expect(await new WorkClaims(deps).drain()).toBe(1);
    expect(deps.recorded.claimed).toHaveLength(1);
  });

  it('joins one that is under way, and looks again for what came meanwhile', async () => {
    const deps = testDeps({ anthropic: cloud });
    await cloud.admin('POST', '/faults', { route: 'work.poll', kind: 'latency', latencyMs: 200, times: 1 });
    const claims = new WorkClaims(deps);
    const first = claims.drain();
    await cloud.startSession('hello');
    const second = claims.drain();
    await Promise.all([first, second]);
    expect(deps.recorded.claimed).toHaveLength(1);
  });
});

it('letting an item go is safe to repeat', async () => {
  const deps = testDeps({ anthropic: cloud });
  await cloud.startSession('hello');
  const claims = new WorkClaims(deps);
  await claims.drain();
  const { workId } = deps.recorded.claimed[0] ?? { workId: '' };
  await claims.stop(workId);
  expect(await stateOf(workId)).toBe('stopped');
  await claims.stop(workId);
  await claims.stop('work_011111111111111111111111');
});

it('a revoked key is an error for a person, not for a retry', async () => {
  const deps = testDeps({ anthropic: { ...cloud, environmentKey: 'sk-ant-oat01-revoked-long-ago' } });
  expect(await statusOf(new WorkClaims(deps).drain())).toBe(401);
});

it('takes an item once in one go, however often the queue offers it', async () => {
  const deps = testDeps({ anthropic: cloud });
  const item = { id: 'work_1', type: 'work', data: { type: 'session', id: 'sesn_1' }, secret: null };
  const work = { poll: async () => item, ack: async () => undefined };
  const environment = { beta: { environments: { work } } };
  const claims = new WorkClaims({ ...deps, anthropic: { ...deps.anthropic, environment } } as never);
  expect(await claims.drain()).toBe(1);
  expect(deps.recorded.claimed).toHaveLength(1);
});

describe('a claim for a session, while a person may drain the environment', () => {
  /** An environment whose workflow answers only when `answer` is called. */
  function claimsOf(cloud: Fixture) {
    const deps = testDeps({ anthropic: cloud });
    let answer: (drained: boolean) => void = () => undefined;
    const describe = () =>
      new Promise((resolve) => {
        answer = (drained) => resolve({ memo: { [DRAINED_MEMO]: drained } });
      });
    const temporal = { workflow: { getHandle: () => ({ describe }) } } as never;
    const polls = vi.spyOn(deps.anthropic.environment.beta.environments.work, 'poll');
    const { claimWork } = createWorkQueueActivities(new WorkClaims(deps), { temporal, names: deps.names });
    const claim = () => activityContext().run(claimWork, { environmentId: cloud.environmentId });
    return { deps, polls, claim, answer: (drained: boolean) => answer(drained) };
  }

  it('polls beside the question, and hands nothing over before its answer', async () => {
    const { deps, polls, claim, answer } = claimsOf(cloud);
    const first = claim();
    await settled();
    expect(polls).not.toHaveBeenCalled();
    answer(false);
    expect(await first).toEqual({ claimed: 0 });

    const session = await cloud.startSession('hello');
    polls.mockClear();
    const second = claim();
    await expect.poll(() => polls.mock.settledResults[0]?.type).toBe('fulfilled');
    await settled();
    expect(deps.recorded.claimed).toEqual([]);
    answer(false);
    expect(await second).toEqual({ claimed: 1 });
    expect(deps.recorded.claimed.map(({ sessionId }) => sessionId)).toEqual([session]);
  });

  it('leaves an item that it has polled in the queue where the answer is yes, and then asks first', async () => {
    const { deps, polls, claim, answer } = claimsOf(cloud);
    const first = claim();
    answer(false);
    await first;

    await cloud.startSession('hello');
    polls.mockClear();
    const second = claim();
    await expect.poll(() => polls.mock.settledResults[0]?.type).toBe('fulfilled');
    answer(true);
    expect(await second).toEqual({ claimed: 0, drained: true });
    expect(deps.recorded.claimed).toEqual([]);
    const { value } = polls.mock.settledResults[0] as { value: { id: string } };
    expect(await stateOf(value.id)).toBe('queued');

    polls.mockClear();
    const third = claim();
    answer(true);
    expect(await third).toEqual({ claimed: 0, drained: true });
    expect(polls).not.toHaveBeenCalled();
  });
});

const settled = () => new Promise((resolve) => setImmediate(resolve));
