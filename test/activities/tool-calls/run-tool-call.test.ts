// A tool call runs once and its result is posted; an orphaned call is treated as the setting says.
import { describe, expect, it } from 'vitest';
import { bash, turnEnded } from '../../../simulators/test/managed-agents.ts';
import type { RunArgs } from '../../../workflows/contract.ts';
import { anthropic, e2b } from '../simulators.ts';
import { COUNTED, waiting, worker } from './waiting-calls.ts';

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

  it.each(['drop', 'commit-then-drop'])(
    'runs once, although the connection is closed as it is handed over: %s',
    async (kind) => {
      const { args, read } = await waiting(bash(COUNTED));
      await e2b.admin('POST', '/faults', { route: 'port', match: '/calls/', kind, times: 1 });
      expect(await worker().run(args())).toEqual({ outcome: 'done' });
      expect(await read('/mnt/session/runs')).toBe('run\n');
    },
  );

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

  it.each(['status', 'drop'])('that fails for now leaves the result to the workflow: %s', async (kind) => {
    const { args } = await waiting(bash('echo hello'));
    await anthropic.admin('POST', '/faults', { route: 'events.send', kind, status: 503, times: 1 });
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
