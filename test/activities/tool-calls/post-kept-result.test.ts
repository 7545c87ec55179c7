// Results with an image: posted at once, or fetched from the toolhost again when the service takes results.
import { expect, it } from 'vitest';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../../activities/sandbox/prepare-sandbox.ts';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createPostKeptResult } from '../../../activities/tool-calls/post-kept-result.ts';
import { createToolCallActivities } from '../../../activities/tool-calls/run-tool-call.ts';
import { script, turnEnded } from '../../../simulators/test/managed-agents.ts';
import type { Prepared } from '../../../workflows/contract.ts';
import { png } from '../../toolhost/images.ts';
import { activityContext, testDeps } from '../deps.ts';
import { anthropic, e2b } from '../simulators.ts';

const IMAGE = png(40, 30);
const BLOCK = {
  type: 'image',
  source: { type: 'base64', media_type: 'image/png', data: IMAGE.toString('base64') },
};

function worker() {
  const deps = testDeps({ anthropic, e2b });
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  return {
    ...createToolCallActivities(deps, sandboxes, new SessionViews()),
    ...createPostKeptResult(deps, sandboxes),
    ...createSandboxActivities(deps, sandboxes),
  };
}

/** A session that waits for a `read` of an image in its sandbox. */
async function waiting() {
  const { environmentId } = anthropic;
  const sessionId = await anthropic.startSession(
    script([{ name: 'read', input: { file_path: 'plot.png' } }]),
  );
  const [use] = await anthropic.calls(sessionId, 1);
  const call = { id: use?.id ?? '', name: 'read' };
  const prepare = { sessionId, environmentId, sandboxId: null, nonce: 'nonce-1' };
  const { sandboxId }: Prepared = await activityContext().run(worker().prepareSandbox, prepare);
  const sandbox = await e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
  await sandbox.files.write('/mnt/session/plot.png', new Blob([IMAGE]));
  const args = { sessionId, sandboxId, call, sealedSecret: null };
  /** The result as the session has it. */
  const posted = async () => {
    const events = await anthropic.eventsUntil(sessionId, turnEnded);
    return events.find(({ type }) => type === 'user.tool_result');
  };
  return { sessionId, sandboxId, args, posted };
}

/** The result that the workflow keeps after the service was away. */
async function kept({ args }: Awaited<ReturnType<typeof waiting>>) {
  await anthropic.admin('POST', '/faults', { route: 'events.send', kind: 'status', status: 503, times: 1 });
  const ran = await activityContext().run(worker().runToolCall, args);
  const result = { content: [], isError: false, mediaIn: args.sandboxId };
  expect(ran).toEqual({ outcome: 'unposted', result });
  return { sessionId: args.sessionId, callId: args.call.id, result, sealedSecret: null };
}

it('an image reaches the session', async () => {
  const session = await waiting();
  expect(await activityContext().run(worker().runToolCall, session.args)).toEqual({ outcome: 'done' });
  expect(await session.posted()).toMatchObject({ content: [BLOCK], is_error: false });
});

it('an image that could not be posted is fetched again, from a sandbox that was paused too', async () => {
  const session = await waiting();
  const args = await kept(session);
  await e2b.Sandbox.pause(session.sandboxId);
  expect(await activityContext().run(worker().postResult, args)).toEqual({ outcome: 'accepted' });
  expect(await session.posted()).toMatchObject({ content: [BLOCK], is_error: false });
  expect(await activityContext().run(worker().postResult, args)).toEqual({ outcome: 'answered' });
});

it('an image whose sandbox is lost by then becomes an error that says so', async () => {
  const session = await waiting();
  const args = await kept(session);
  await e2b.admin('POST', `/sandboxes/${session.sandboxId}/vanish`);
  expect(await activityContext().run(worker().postResult, args)).toEqual({ outcome: 'accepted' });
  expect(await session.posted()).toMatchObject({
    content: [{ type: 'text', text: expect.stringContaining('was lost with its sandbox') }],
    is_error: true,
  });
});

it('no sandbox is resumed while the service does not answer', async () => {
  const session = await waiting();
  const args = await kept(session);
  await e2b.Sandbox.pause(session.sandboxId);
  await anthropic.admin('POST', '/faults', { route: 'events.list', kind: 'status', status: 503 });
  await expect(activityContext().run(worker().postResult, args)).rejects.toMatchObject({
    nonRetryable: false,
  });
  await anthropic.admin('DELETE', '/faults');
  expect(await e2b.Sandbox.getInfo(session.sandboxId)).toMatchObject({ state: 'paused' });
});
