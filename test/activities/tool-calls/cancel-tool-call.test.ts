// A tool call that is cancelled: while it runs, before it, without its toolhost or its sandbox.
import { describe, expect, it } from 'vitest';
import { bash } from '../../../simulators/test/managed-agents.ts';
import { e2b } from '../simulators.ts';
import { COUNTED, waiting, worker } from './waiting-calls.ts';

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
