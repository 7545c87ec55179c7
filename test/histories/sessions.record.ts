// Records the workflows of sessions, one history for each story, with every part as a real process.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { statusOf, workerOfCall, workflowOf } from '../../harness/session-workflow.ts';
import { commands, eventsOf, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { environmentWorkflowId } from '../../workflows/messages.ts';
import { startTestWorld } from '../test-world.ts';
import { saveHistory } from './saved-history.ts';

let world: World;

beforeAll(async () => {
  world = await startTestWorld({ workers: 2, graceSeconds: 1 });
});
afterAll(() => world?.close());

it('a first turn', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo one > notes.txt', 'cat notes.txt'));
  await rested(sessionId);
  await save('first-turn', sessionId);
});

it('a follow-up turn, after a pause', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo kept > notes.txt'));
  await rested(sessionId);
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat notes.txt'));
  expect(answer.trim()).toBe('kept');
  await rested(sessionId);
  await save('follow-up', sessionId);
});

it('a first turn whose webhook was lost', async () => {
  const fault = { route: 'webhook.deliver', kind: 'lost' };
  const { id } = (await world.admin('anthropic', 'POST', 'faults', fault)) as { id: string };
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo here'));
  await world.admin('anthropic', 'DELETE', `faults/${id}`);
  await rested(sessionId);
  await save('lost-webhook', sessionId);
});

it('a result that could not be posted for a while', async () => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('sleep 2; echo patience'));
  await until('the call runs', () => workerOfCall(world, sessionId));
  const fault = { route: 'events.send', match: sessionId, kind: 'status', status: 503, times: 3 };
  await world.admin('anthropic', 'POST', 'faults', fault);
  await rested(sessionId);
  const answers = (await eventsOf(world.anthropic, sessionId)).filter((one) => one.type === 'agent.message');
  expect(JSON.stringify(answers)).toContain('patience');
  await save('post-retried', sessionId);
});

it('a turn that is interrupted', async () => {
  const sessionId = await openSession(world);
  await sendMessage(world.anthropic, sessionId, commands('sleep 300'));
  await until('the call runs', () => workerOfCall(world, sessionId));
  await world.anthropic.beta.sessions.events.send(sessionId, { events: [{ type: 'user.interrupt' }] });
  await until('the call is let go', async () => (await statusOf(world, sessionId)).callsDone === 1);
  await rested(sessionId);
  await save('interrupted', sessionId);
});

it('a call that waits for its approval longer than the grace', async () => {
  const sessionId = await openSession(world);
  const step = [{ name: 'bash', input: { command: 'echo approved' }, permission: 'ask' }];
  await sendMessage(world.anthropic, sessionId, ['```tools', JSON.stringify([step]), '```'].join('\n'));
  const asked = await until('the call waits', async () => {
    const { openCalls } = await statusOf(world, sessionId).catch(() => ({ openCalls: [] }));
    return openCalls[0];
  });
  await until('its sandbox is paused', async () => {
    const { sandboxId } = await statusOf(world, sessionId);
    return sandboxId && (await world.Sandbox.getInfo(sandboxId)).state === 'paused';
  });
  await world.anthropic.beta.sessions.events.send(sessionId, {
    events: [{ type: 'user.tool_confirmation', tool_use_id: asked.id, result: 'allow' }],
  });
  await rested(sessionId);
  await save('approval', sessionId);
});

it('a sandbox that is lost during a call', async () => {
  const sessionId = await openSession(world);
  const turn = takeTurn(world.anthropic, sessionId, commands('sleep 300', 'echo in a new one'));
  turn.catch(() => undefined);
  await until('the call runs', () => workerOfCall(world, sessionId));
  const { sandboxId } = await statusOf(world, sessionId);
  await world.admin('e2b', 'POST', `sandboxes/${sandboxId}/vanish`);
  await turn;
  await rested(sessionId);
  await save('lost-sandbox', sessionId);
});

it('a session that ends', async () => {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo farewell'));
  await world.admin('anthropic', 'POST', `sessions/${sessionId}/terminate`);
  await workflowOf(world, sessionId).result();
  await save('ended', sessionId);
});

it('a session of another environment', async () => {
  const { id } = await world.anthropic.beta.environments.create({
    name: 'Another',
    config: { type: 'self_hosted' },
  });
  const { agentId } = world.simulators.anthropic;
  const session = await world.anthropic.beta.sessions.create({ agent: agentId, environment_id: id });
  await sendMessage(world.anthropic, session.id, commands('echo nobody'));
  const handle = await until('its workflow appears', async () => {
    const found = workflowOf(world, session.id);
    return found.describe().then(
      () => found,
      () => null,
    );
  });
  await handle.result();
  await save('other-environment', session.id);
});

it('a long session that is renewed', async () => {
  const sessionId = await openSession(world);
  const first = await until('its workflow appears', async () => {
    await takeTurn(
      world.anthropic,
      sessionId,
      commands(...Array.from({ length: 20 }, (_, n) => `echo ${n}`)),
    );
    return workflowOf(world, sessionId).describe();
  });
  await until('another run follows', async () => {
    const { runId } = await workflowOf(world, sessionId).describe();
    return runId !== first.runId;
  });
  await takeTurn(world.anthropic, sessionId, commands('echo and on'));
  await rested(sessionId);
  const { client } = world.temporal;
  await saveHistory('renewed', client.workflow.getHandle(first.workflowId, first.runId));
  await save('renewed-second-run', sessionId);
});

it('a worker killed in the middle of a call', async () => {
  const sessionId = await openSession(world);
  const turn = takeTurn(world.anthropic, sessionId, commands('echo once >> count; sleep 3; cat count'));
  turn.catch(() => undefined);
  const pid = await until('a worker runs the call', () => workerOfCall(world, sessionId));
  await world.workers.find((worker) => worker.pid === pid)?.kill();
  const { answer } = await turn;
  expect(answer.trim()).toBe('once');
  await rested(sessionId);
  await save('killed-worker', sessionId);
});

it('the environment that they ran in', async () => {
  const { environmentId } = world.simulators.anthropic;
  const handle = world.temporal.client.workflow.getHandle(environmentWorkflowId(environmentId));
  await saveHistory('environment', handle);
});

/** Waits until the session's turn has ended, its sandbox is paused, and its workflow only waits for signals. */
async function rested(sessionId: string): Promise<void> {
  const rests = async () => {
    const { phase, turns, workId } = await statusOf(world, sessionId);
    if (turns === 0 || phase !== 'paused' || workId) return false;
    const { pendingActivities, pendingWorkflowTask } = (await workflowOf(world, sessionId).describe()).raw;
    return !pendingActivities?.length && !pendingWorkflowTask;
  };
  await until(`${sessionId} rests`, rests, 60_000);
}

async function save(name: string, sessionId: string): Promise<void> {
  await saveHistory(name, workflowOf(world, sessionId));
}
