import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../../activities/sandbox/prepare-sandbox.ts';
import { SessionViews } from '../../../activities/session/session-views.ts';
import { createToolCallActivities } from '../../../activities/tool-calls/run-tool-call.ts';
import { turnHostile } from '../../../harness/hostile/start.ts';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import {
  agentMessages,
  bash,
  type Fixture,
  script,
  startFixture,
  turnEnded,
} from '../../../simulators/test/managed-agents.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { writeLocalTemplate } from '../../../template/manifest.ts';
import { TOOLHOST_PORT } from '../../../toolhost/protocol.ts';
import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import type { Prepared, Ran, RunArgs } from '../../../workflows/contract.ts';
import { bundleToolhost } from '../../toolhost/running-toolhost.ts';
import { activityContext, testDeps } from '../deps.ts';

let anthropic: Fixture;
let e2b: E2BSimulator;
let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
  file = await bundleToolhost(folder);
  anthropic = await startFixture();
  e2b = await startE2BSimulator({ templates: [await writeLocalTemplate(folder, file)] });
});
afterAll(async () => {
  await anthropic.close();
  await e2b.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await anthropic.admin('DELETE', '/faults');
  await e2b.admin('DELETE', '/faults');
});

/** A worker's tool activities; another one knows nothing of its connections. */
function worker(stuckCalls: 'run' | 'answer' | 'interrupt' = 'run') {
  const deps = testDeps(
    { anthropic, e2b: { ...e2b, template: DEFINITION.name } },
    { toolhost: { file, version: TOOLHOST_VERSION } },
  );
  deps.config.stuckCalls = stuckCalls;
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const tools = createToolCallActivities(deps, sandboxes, new SessionViews());
  const { prepareSandbox } = createSandboxActivities(deps, sandboxes);
  return {
    run: (args: RunArgs, attempt = 1, heartbeatDetails: unknown = undefined): Promise<Ran> =>
      activityContext({ attempt, heartbeatDetails }).run(tools.runToolCall, args),
    /** What a failing attempt leaves to the next one. */
    failing: async (args: RunArgs, attempt = 1): Promise<unknown> => {
      const context = activityContext({ attempt });
      let last: unknown;
      context.on('heartbeat', (details) => {
        last = details;
      });
      await expect(context.run(tools.runToolCall, args)).rejects.toMatchObject({ nonRetryable: false });
      return last;
    },
    /** Attempt after attempt, each with what the one before left, until no other is to follow. */
    untilFinal: async (args: RunArgs): Promise<{ error: Error; attempts: number }> => {
      let heartbeatDetails: unknown;
      for (let attempt = 1; ; attempt += 1) {
        const context = activityContext({ attempt, heartbeatDetails });
        context.on('heartbeat', (details) => {
          heartbeatDetails = details;
        });
        const error = await context.run(tools.runToolCall, args).then(
          (ran) => new Error(`it ended: ${JSON.stringify(ran)}`),
          (thrown: Error & { nonRetryable?: boolean }) => thrown,
        );
        if (!('nonRetryable' in error) || error.nonRetryable) return { error, attempts: attempt };
      }
    },
    cancel: (args: { sandboxId: string; callId: string }, attempt = 1): Promise<void> =>
      activityContext({ attempt }).run(tools.cancelToolCall, args),
    prepare: (sessionId: string): Promise<Prepared> =>
      activityContext().run(prepareSandbox, {
        sessionId,
        environmentId: anthropic.environmentId,
        sandboxId: null,
        nonce: 'nonce-1',
      }),
  };
}

/** A session that waits for these calls, and its sandbox. */
async function waiting(...calls: { name: string; input: object }[]) {
  const sessionId = await anthropic.startSession(script(calls));
  const uses = await anthropic.calls(sessionId, calls.length);
  const { sandboxId } = await worker().prepare(sessionId);
  const args = (index = 0): RunArgs => ({
    sessionId,
    sandboxId,
    call: { id: uses[index]?.id ?? '', name: uses[index]?.name ?? '' },
    sealedSecret: null,
  });
  const answer = async () => agentMessages(await anthropic.eventsUntil(sessionId, turnEnded)).at(-1);
  const sandbox = () => e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
  const read = async (path: string) => (await sandbox()).files.read(path);
  return { sessionId, sandboxId, args, answer, read, sandbox };
}
const COUNTED = 'echo run >> runs; cat runs';

describe('a call', () => {
  it('runs and is answered', async () => {
    const { args, answer } = await waiting(bash('echo hello'));
    expect(await worker().run(args())).toEqual({ outcome: 'done' });
    expect(await answer()).toBe('hello');
  });

  it('that fails is answered with its error', async () => {
    const { args, answer } = await waiting(bash('ls /nowhere'));
    expect(await worker().run(args())).toEqual({ outcome: 'failed' });
    expect(await answer()).toContain('/nowhere');
  });

  it('of a tool that does not exist in the sandbox is answered with an error', async () => {
    const { args } = await waiting({ name: 'read', input: { file_path: 'missing.txt' } });
    expect(await worker().run(args())).toEqual({ outcome: 'failed' });
  });

  it('runs once, however many workers try it', async () => {
    const { args, answer, read } = await waiting(bash(`sleep 0.5; ${COUNTED}`));
    const outcomes = await Promise.all([
      worker().run(args()),
      worker().run(args(), 2),
      worker().run(args(), 3),
    ]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['answered', 'answered', 'done']);
    expect(await answer()).toBe('run');
    expect(await read('/mnt/session/runs')).toBe('run\n');
  });

  it('that is answered already is not run', async () => {
    const { sessionId, args } = await waiting(bash(COUNTED));
    await anthropic.send(sessionId, anthropic.result(args().call.id, 'by hand'));
    expect(await worker().run(args())).toEqual({ outcome: 'answered' });
  });

  it('that was interrupted is not run', async () => {
    const { sessionId, args } = await waiting(bash(COUNTED));
    await anthropic.send(sessionId, { type: 'user.interrupt' });
    expect(await worker().run(args())).toEqual({ outcome: 'answered' });
  });

  it('tells the model once that files were lost', async () => {
    const { args, answer } = await waiting(bash('echo hello'));
    await worker().run({ ...args(), modelNotice: 'files-lost' });
    expect(await answer()).toMatch(/was lost[\s\S]*hello/);
  });

  it('tells the model that memory is away, and why', async () => {
    const { args, answer } = await waiting(bash('echo hello'));
    await worker().run({ ...args(), modelNotice: 'files-lost', memoryUnavailable: 'no token' });
    expect(await answer()).toMatch(/was lost[\s\S]*Memory is not available now \(no token\)[\s\S]*hello/);
  });

  it('of another session is an error that no retry mends', async () => {
    const { args } = await waiting(bash('true'));
    const foreign = { ...args(), call: { id: 'sevt_011111111111111111111111', name: 'bash' } };
    await expect(worker().run(foreign)).rejects.toMatchObject({ nonRetryable: true });
  });
});

describe('posting', () => {
  it.each(['commit-then-status', 'commit-then-drop'])(
    'counts a result as accepted that is there: %s',
    async (kind) => {
      const { args, answer } = await waiting(bash('echo hello'));
      await anthropic.admin('POST', '/faults', { route: 'events.send', kind, status: 500, times: 1 });
      expect(await worker().run(args())).toEqual({ outcome: 'answered' });
      expect(await answer()).toBe('hello');
    },
  );

  it('that fails for now leaves the result to the workflow', async () => {
    const { args } = await waiting(bash('echo hello'));
    await anthropic.admin('POST', '/faults', { route: 'events.send', kind: 'status', status: 503, times: 1 });
    expect(await worker().run(args())).toEqual({
      outcome: 'unposted',
      result: { content: [{ type: 'text', text: 'hello' }], isError: false },
    });
  });

  it('of an output that the service refuses tells the model so, and a kept result is clean', async () => {
    await anthropic.admin('POST', '/faults', {
      route: 'events.send',
      kind: 'status',
      status: 413,
      match: 'poison',
    });
    const { args, answer } = await waiting(bash("printf 'poi\\033[1mson'"));
    expect(await worker().run(args())).toMatchObject({ outcome: 'replaced' });
    expect(await answer()).toContain('its output was refused');
    await anthropic.admin('POST', '/faults', { route: 'events.send', kind: 'status', status: 503, times: 1 });
    const other = await waiting(bash("printf 'a\\033[1mb'"));
    expect(await worker().run(other.args())).toMatchObject({
      outcome: 'unposted',
      result: { content: [{ type: 'text', text: 'ab' }] },
    });
  });

  it('to an archived session is refused for good', async () => {
    for (const status of ['400', '404', '409']) {
      await anthropic.set({ 'archived-result': status });
      const { sessionId, args } = await waiting(bash('echo hello'));
      const running = worker().run(args());
      await anthropic.organization.beta.sessions.archive(sessionId).catch(() => undefined);
      const ran = await running;
      expect(['refused', 'done', 'answered'], `${status}: ${JSON.stringify(ran)}`).toContain(ran.outcome);
    }
  });
});

describe('the sandbox', () => {
  it('that was paused meanwhile is resumed', async () => {
    const { sandboxId, args } = await waiting(bash('echo hello'));
    const one = worker();
    await e2b.Sandbox.pause(sandboxId);
    expect(await one.run(args())).toEqual({ outcome: 'done' });
  });

  it('that is gone before the call began: it has not started', async () => {
    const { sandboxId, args } = await waiting(bash('echo hello'));
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    expect(await worker().run(args())).toEqual({ outcome: 'sandbox lost', started: false });
  });

  it('that is gone after attempts that never reached it: it has not started, which only the last of them can say', async () => {
    const { args, sandboxId } = await waiting(bash('true'));
    await anthropic.admin('POST', '/faults', { route: 'events.list', kind: 'status', status: 500 });
    const left = await worker().failing(args());
    await anthropic.admin('DELETE', '/faults');
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    expect(await worker().run(args(), 2, left)).toEqual({ outcome: 'sandbox lost', started: false });
    expect(await worker().run(args(), 3, left)).toEqual({ outcome: 'sandbox lost', started: true });
    expect(await worker().run(args(), 2)).toEqual({ outcome: 'sandbox lost', started: true });
  });

  it('that does not answer once it was handed the call: it may have started', async () => {
    const { args } = await waiting(bash('true'));
    await e2b.admin('POST', '/faults', { route: 'port', kind: 'commit-then-drop' });
    await e2b.admin('POST', '/faults', { route: 'envd', kind: 'status', status: 502 });
    expect(await worker().failing(args())).not.toHaveProperty('failedUndelivered');
  });

  it('that goes while the call runs: it may have had an effect', async () => {
    const { sandboxId, args } = await waiting(bash('sleep 60'));
    const running = worker().run(args());
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    // While it is being killed the control plane asks for patience, which the next attempt has.
    const ran = await running.catch(() => worker().run(args(), 2));
    expect(ran).toEqual({ outcome: 'sandbox lost', started: true });
  });

  it.each(['redirect-307', 'null'])(
    'that answers in the place of its toolhost: the call is given up: %s',
    async (attack) => {
      const command = turnHostile(attack, TOOLHOST_PORT, 'http://127.0.0.1:9/');
      const { args } = await waiting({ name: 'bash', input: { command, timeout_ms: 5_000 } });
      const { error, attempts } = await worker().untilFinal(args());
      expect(error.message).toMatch(/^its sandbox gives no usable answer: .* It may have had an effect\.$/);
      expect(attempts).toBeLessThan(10);
    },
    120_000,
  );

  it('whose toolhost died gets it back, and the call that was cut off says so', async () => {
    const { args, answer, sandbox } = await waiting(bash('sleep 60'));
    const running = worker().run(args());
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await (await sandbox()).commands.run('pkill -KILL -f toolhost.mj[s]', { user: 'root' });
    expect(await running).toEqual({ outcome: 'failed' });
    expect(await answer()).toMatch(/cut off|interrupted|restart/i);
  });
});

describe('cancel', () => {
  it('ends the running call and all it started, and posts nothing', async () => {
    const { sandboxId, args, read } = await waiting(
      bash('echo begun > begun; (sleep 2; echo over > over) & wait'),
    );
    const one = worker();
    const running = one.run(args());
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await worker().cancel({ sandboxId, callId: args().call.id });
    expect(await running).toEqual({ outcome: 'cancelled' });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await read('/mnt/session/begun')).toBe('begun\n');
    await expect(read('/mnt/session/over')).rejects.toThrow();
  });

  it('that comes before the call keeps it from running', async () => {
    const { sandboxId, args, read } = await waiting(bash(COUNTED));
    const one = worker();
    await one.cancel({ sandboxId, callId: args().call.id });
    expect(await one.run(args())).toEqual({ outcome: 'cancelled' });
    await expect(read('/mnt/session/runs')).rejects.toThrow();
  });

  it('starts a toolhost that has died, so that the call counts as ended', async () => {
    const { sandboxId, args, sandbox } = await waiting(bash(COUNTED));
    await (await sandbox()).commands.run('pkill -KILL -f toolhost.mj[s]', { user: 'root' });
    const cancelled = { sandboxId, callId: args().call.id };
    await expect(worker().cancel(cancelled)).rejects.toMatchObject({ nonRetryable: false });
    await worker().cancel(cancelled, 2);
    expect(await worker().run(args())).toEqual({ outcome: 'cancelled' });
  });

  it('has nothing to do where the sandbox is gone', async () => {
    const { sandboxId, args } = await waiting(bash('true'));
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    await worker().cancel({ sandboxId, callId: args().call.id });
  });

  it.each([404, 403])('is over where it is refused for good: %d', async (status) => {
    const { sandboxId, args } = await waiting(bash('true'));
    await e2b.admin('POST', '/faults', { route: 'port', match: '/cancel', kind: 'status', status, times: 1 });
    await worker().cancel({ sandboxId, callId: args().call.id });
    expect(await e2b.admin('GET', '/faults')).toMatchObject({ data: [{ taken: 1 }] });
  });

  it('is tried again where it is refused for now', async () => {
    const { sandboxId, args } = await waiting(bash('true'));
    await e2b.admin('POST', '/faults', { route: 'port', match: '/cancel', kind: 'status', status: 503 });
    const cancelling = worker().cancel({ sandboxId, callId: args().call.id });
    await expect(cancelling).rejects.toMatchObject({ nonRetryable: false });
  });
});

describe('a call that was left behind', () => {
  const orphaned = (args: RunArgs): RunArgs => ({ ...args, call: { ...args.call, orphaned: true } });

  it('is answered with what the sandbox holds, whatever the setting', async () => {
    const session = await waiting(bash(COUNTED));
    const dying = worker();
    await anthropic.admin('POST', '/faults', { route: 'events.send', kind: 'status', status: 503, times: 1 });
    expect(await dying.run(session.args())).toMatchObject({ outcome: 'unposted' });
    expect(await worker('interrupt').run(orphaned(session.args()))).toEqual({ outcome: 'done' });
    expect(await session.answer()).toBe('run');
  });

  it('is run', async () => {
    const session = await waiting(bash(COUNTED));
    expect(await worker('run').run(orphaned(session.args()))).toEqual({ outcome: 'done' });
    expect(await session.read('/mnt/session/runs')).toBe('run\n');
  });

  it('is answered with an error', async () => {
    const session = await waiting(bash(COUNTED));
    expect(await worker('answer').run(orphaned(session.args()))).toEqual({ outcome: 'failed' });
    expect(await session.answer()).toContain('was not run');
    await expect(session.read('/mnt/session/runs')).rejects.toThrow();
  });

  it('is answered though the toolhost has died: it is started again', async () => {
    const session = await waiting(bash(COUNTED));
    await (await session.sandbox()).commands.run('pkill -KILL -f toolhost.mj[s]', { user: 'root' });
    const args = orphaned(session.args());
    expect(await worker('answer').run(args)).toEqual({ outcome: 'failed' });
  });

  it('ends its turn', async () => {
    const session = await waiting(bash(COUNTED));
    expect(await worker('interrupt').run(orphaned(session.args()))).toEqual({ outcome: 'cancelled' });
    await anthropic.eventsUntil(session.sessionId, turnEnded);
    await expect(session.read('/mnt/session/runs')).rejects.toThrow();
  });
});
