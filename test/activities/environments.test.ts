import { afterEach, beforeEach, expect, it } from 'vitest';
import { byEnvironment } from '../../activities/by-environment.ts';
import { createActivities } from '../../activities/index.ts';
import { createFindSession } from '../../activities/session/find-session.ts';
import { type Fixture, startFixture } from '../../simulators/test/managed-agents.ts';
import { activityContext, testDeps } from './deps.ts';

let cloud: Fixture;
beforeEach(async () => {
  cloud = await startFixture();
});
afterEach(() => cloud.close());

/** One more environment of the organisation, with a session in it, as its worker sees it. */
async function environment(name: string) {
  const { id } = await cloud.organization.beta.environments.create({ name, config: { type: 'self_hosted' } });
  const { key } = await cloud.admin('POST', `/environments/${id}/keys`);
  const { id: sessionId } = await cloud.organization.beta.sessions.create({
    agent: cloud.agentId,
    environment_id: id,
  });
  const deps = testDeps({ anthropic: { url: cloud.url, environmentId: id, environmentKey: String(key) } });
  return { id, sessionId, deps };
}

it('finds the environment of a session, with its settings', async () => {
  const [a, b, strange] = [await environment('a'), await environment('b'), await environment('c')];
  b.deps.sessions.start.settings.graceMs = 7;
  const { findSession } = createFindSession([a.deps, b.deps]);
  const find = (sessionId: string) => activityContext().run(findSession, { sessionId });
  expect(await find(b.sessionId)).toMatchObject({
    ours: true,
    start: { environmentId: b.id, settings: { graceMs: 7 } },
  });
  expect(await find(a.sessionId)).toMatchObject({ ours: true, start: { environmentId: a.id } });
  expect(await find(strange.sessionId)).toMatchObject({ ours: false, live: false });
  expect(await find('sesn_gone')).toMatchObject({ ours: false, live: false });
});

it('finds it although the key of another environment was revoked, and says so where it may hide the answer', async () => {
  const [a, b, strange] = [await environment('a'), await environment('b'), await environment('c')];
  const key = a.deps.config.anthropic.environmentKey;
  await cloud.admin('DELETE', `/environments/${a.id}/keys/${key}`);
  const { findSession } = createFindSession([a.deps, b.deps]);
  const find = (sessionId: string) => activityContext().run(findSession, { sessionId });
  expect(await find(b.sessionId)).toMatchObject({ ours: true, start: { environmentId: b.id } });
  await expect(find(strange.sessionId)).rejects.toMatchObject({ type: 'credential refused' });
});

it('sends a call to the activities of its environment', async () => {
  const [a, b] = [await environment('a'), await environment('b')];
  const { claimWork } = createActivities([a.deps, b.deps]);
  const claim = (environmentId: string) => activityContext().run(claimWork, { environmentId });
  expect(await claim(b.id)).toEqual({ claimed: 1 });
  expect(b.deps.recorded.claimed).toMatchObject([{ sessionId: b.sessionId }]);
  expect(a.deps.recorded.claimed).toEqual([]);
});

it('leaves a call of an environment that it does not serve to another worker', async () => {
  const { look } = byEnvironment(
    new Map([['env_a', { look: async (_: { environmentId: string }) => 'seen' }]]),
  );
  expect(await look({ environmentId: 'env_a' })).toBe('seen');
  await expect(look({ environmentId: 'env_b' })).rejects.toMatchObject({
    type: 'retry',
    nonRetryable: false,
  });
  await expect(look({ environmentId: 'env_b' })).rejects.toThrow('does not serve environment env_b');
});
