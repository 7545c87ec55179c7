// The reconcile of a large environment: page by page, few requests, and never faster than its pace.
import type { Client } from '@temporalio/client';
import type { SandboxInfo } from 'e2b';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { reconcileSandboxes } from '../../../activities/reconcile/sandboxes.ts';
import { notifyUnattended } from '../../../activities/reconcile/sessions.ts';
import { reconcileWork } from '../../../activities/reconcile/work.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { sandboxMetadata } from '../../../activities/sandbox/prepare-sandbox.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { RequestPacer } from '../../../activities/work-queue/request-pacer.ts';
import { type Fixture, startFixture } from '../../../simulators/test/managed-agents.ts';
import { activityContext, testDeps } from '../deps.ts';

const MANY = 1000;
const PAGE = 100;

let anthropic: Fixture;
beforeEach(async () => {
  anthropic = await startFixture();
});
afterEach(async () => {
  vi.useRealTimers();
  await anthropic.close();
});

/** Counts the requests that it lets through, and never waits. */
class Counted extends RequestPacer {
  turns = 0;
  override async next(): Promise<void> {
    this.turns += 1;
  }
}

const AN_HOUR_AGO = new Date(Date.now() - 3_600_000);

/** A router whose sessions all sleep over a paused sandbox. */
function router() {
  const listed = { pages: 0 };
  const getHandle = (id: string) => ({
    describe: async () => ({ status: { name: 'RUNNING' }, typedSearchAttributes: { get: () => undefined } }),
    query: async () => ({ phase: 'paused', sandboxId: id.replace('session-', 'i') }),
  });
  const deps = testDeps({ anthropic }, { temporal: { workflow: { getHandle } } as unknown as Client });
  const metadata = (session: string) => ({
    ...sandboxMetadata(anthropic.environmentId, session),
    created_at: AN_HOUR_AGO.toISOString(),
  });
  const info = (index: number) =>
    ({
      sandboxId: `i${index}`,
      metadata: metadata(String(index)),
      state: 'paused',
      startedAt: AN_HOUR_AGO,
    }) as unknown as SandboxInfo;
  deps.e2b.Sandbox.list = (() => ({
    get hasNext() {
      return listed.pages * PAGE < MANY;
    },
    nextItems: async () => {
      listed.pages += 1;
      return Array.from({ length: PAGE }, (_, index) => info((listed.pages - 1) * PAGE + index));
    },
  })) as unknown as typeof deps.e2b.Sandbox.list;
  return { deps, listed };
}

it('goes through a thousand items by the page', async () => {
  const { deps } = router();
  const { agentId: agent, environmentId: environment_id } = anthropic;
  for (let made = 0; made < MANY; made += 50) {
    const create = () => anthropic.organization.beta.sessions.create({ agent, environment_id });
    await Promise.all(Array.from({ length: 50 }, create));
  }
  const pacer = new Counted(1);
  const found = await reconcileWork(deps, new WorkClaims(deps), environment_id, pacer);
  expect(found.withWorkItem.size).toBe(MANY);
  expect(found.findings).toEqual([]);
  expect(pacer.turns).toBe(MANY / PAGE);
}, 60_000);

it('goes through a thousand sandboxes by the page, and asks after some of their sessions in each round', async () => {
  const { deps, listed } = router();
  const pacer = new Counted(1);
  const open = new OpenSandboxes(deps.e2b, 1);
  const found = await reconcileSandboxes(deps, open, anthropic.environmentId, pacer);
  expect(listed.pages).toBe(MANY / PAGE);
  expect(pacer.turns).toBe(MANY / PAGE);
  expect(found.asleep.size).toBe(MANY);

  const asked = new Set<string>();
  deps.sessions.sessionChangedIfRunning = async (sessionId) => Boolean(asked.add(sessionId));
  vi.useFakeTimers({ toFake: ['Date'] });
  for (let round = 0; round < 5; round += 1) {
    const before = asked.size;
    await notifyUnattended(deps, found.asleep, pacer);
    expect(asked.size - before).toBe(200);
    vi.setSystemTime(Date.now() + 5 * 60_000);
  }
  expect(asked.size).toBe(MANY);
}, 60_000);

it('lets a few requests through at once, the others spread over the minute', async () => {
  vi.useFakeTimers();
  let through = 0;
  const env = activityContext();
  const running = env.run(async () => {
    const pacer = new RequestPacer(240);
    for (; through < 120; through += 1) await pacer.next();
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(through).toBe(60);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(through).toBe(100);
  await vi.advanceTimersByTimeAsync(5_000);
  await running;
});
