// A Managed Agents simulator for each test, and watches of its sessions, for the tests of one file: its hooks start and
// end with those.
import { ActivityCancellationDetails } from '@temporalio/common';
import { afterEach, beforeEach } from 'vitest';
import { QuietListings } from '../../../activities/session/quiet-listings.ts';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createWatchSession } from '../../../activities/session/watch-session.ts';
import { WorkClaims } from '../../../activities/work-queue/claim-work.ts';
import { type Fixture, startFixture } from '../../../simulators/test/managed-agents.ts';
import type { WatchArgs, WatchEnd } from '../../../workflows/contract.ts';
import type { SessionChange, ToolCallsClosed, ToolCallsRequested } from '../../../workflows/messages.ts';
import { activityContext, testDeps } from '../deps.ts';

export let cloud: Fixture;
let ending: (() => Promise<unknown>)[];
beforeEach(async () => {
  cloud = await startFixture();
  ending = [];
});
afterEach(async () => {
  for (const end of ending) await end();
  await cloud.close();
});

/** Watches a session in which a user said this. */
export async function watch(
  text: string,
  beforeWatch: () => Promise<unknown> = async () => undefined,
  more: Partial<WatchArgs> = {},
  listings = new QuietListings(),
) {
  const deps = testDeps({ anthropic: cloud });
  const sessionId = await cloud.startSession(text);
  await new WorkClaims(deps).drain();
  const item = deps.recorded.claimed.find((one) => one.sessionId === sessionId);
  if (!item) throw new Error('no work item');
  await beforeWatch();
  const views = new SessionViews();
  const env = activityContext();
  const args: WatchArgs = {
    sessionId,
    environmentId: cloud.environmentId,
    workId: item.workId,
    sealedSecret: item.sealedSecret,
    lease: null,
    known: [],
    turn: 'running',
    since: 1,
    graceMs: 60_000,
    ...more,
  };
  const watching: Promise<WatchEnd> = env.run(createWatchSession(deps, views, listings).watchSession, args);
  watching.catch(() => undefined);
  const stop = async () => {
    const details = new ActivityCancellationDetails({ cancelRequested: true });
    env.cancel('CANCEL_REQUESTED' as never, details);
    return watching;
  };
  ending.push(() => stop().catch(() => undefined));
  const messages = <Message>(name: string) =>
    deps.recorded.signals.filter((signal) => signal.name === name).map(({ message }) => message as Message);
  const opened = () => messages<ToolCallsRequested>('toolCallsRequested').flatMap(({ calls }) => calls);
  const changes = () => messages<SessionChange>('sessionChanged').map(({ change }) => change);
  const closed = () => messages<ToolCallsClosed>('toolCallsClosed');
  return { sessionId, item, deps, views, env, watching, stop, opened, changes, closed };
}

export async function eventually(what: () => boolean, withinMs = 5000): Promise<void> {
  for (const end = Date.now() + withinMs; !what(); ) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A newer watch over the same session, in this process or in another one. */
export function newer(
  first: Awaited<ReturnType<typeof watch>>,
  views: SessionViews,
  more: Partial<WatchArgs> = {},
) {
  const deps = testDeps({ anthropic: cloud });
  const env = activityContext();
  const args: WatchArgs = {
    sessionId: first.sessionId,
    environmentId: cloud.environmentId,
    workId: first.item.workId,
    sealedSecret: first.item.sealedSecret,
    lease: null,
    known: [],
    turn: 'running',
    since: 2,
    graceMs: 60_000,
    ...more,
  };
  const watching: Promise<WatchEnd> = env.run(createWatchSession(deps, views).watchSession, args);
  watching.catch(() => undefined);
  const details = new ActivityCancellationDetails({ cancelRequested: true });
  ending.push(async () => env.cancel('CANCEL_REQUESTED' as never, details));
  const opened = () => deps.recorded.signals.filter(({ name }) => name === 'toolCallsRequested');
  return { deps, watching, opened };
}
