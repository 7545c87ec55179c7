// A tool call whose sandbox is paused, gone, hostile, or without its toolhost.
import { describe, expect, it } from 'vitest';
import { turnHostile } from '../../../harness/hostile/start.ts';
import { bash } from '../../../simulators/test/managed-agents.ts';
import { TOOLHOST_PORT } from '../../../toolhost/protocol.ts';
import { anthropic, e2b } from '../simulators.ts';
import { waiting, worker } from './waiting-calls.ts';

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
    // The session's watch may have been lost with the first attempt's worker: `retried` tells the workflow.
    const lost = { outcome: 'sandbox lost', retried: true };
    expect(await worker().run(args(), 2, left)).toEqual({ ...lost, started: false });
    expect(await worker().run(args(), 3, left)).toEqual({ ...lost, started: true });
    expect(await worker().run(args(), 2)).toEqual({ ...lost, started: true });
  });

  it('that does not answer once it was handed the call: it may have started', async () => {
    const { args } = await waiting(bash('true'));
    await e2b.admin('POST', '/faults', { route: 'port', kind: 'commit-then-drop' });
    await e2b.admin('POST', '/faults', { route: 'envd', kind: 'status', status: 502 });
    expect(await worker().failing(args())).not.toHaveProperty('failedUndelivered');
  });

  it('whose call goes on while its worker stops: it may have started', async () => {
    const { args, sandbox } = await waiting(bash('echo run > runs; sleep 5'));
    const begun = async () => (await sandbox()).files.exists('/mnt/session/runs');
    const said = await worker().stopped(args(), begun);
    expect(said.filter((details) => 'failedUndelivered' in (details as object))).toEqual([]);
  });

  it('that goes while the call runs: it may have had an effect', async () => {
    const { sandboxId, args } = await waiting(bash('sleep 60'));
    const running = worker().run(args());
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    // While it is being killed the control plane asks for patience, which the next attempt has.
    const ran = await running.catch(() => worker().run(args(), 2));
    expect(ran).toMatchObject({ outcome: 'sandbox lost', started: true });
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
