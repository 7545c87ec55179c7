// The crash matrix for memory stores, skills, approvals, outputs and slots for running sandboxes: the real process dies,
// another one continues, and the end state is read from outside, from the store's list of changes and the files of the
// sandbox. The cases share all processes.
import { toFile } from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusOf } from '../../harness/session-workflow.ts';
import { commands, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import type { Failpoint } from '../../src/failpoints.ts';
import {
  atRest,
  type CrashWorld,
  counted,
  countsOf,
  endState,
  sandboxesOf,
  startCrashWorld,
} from './crash-world.ts';
import { replayHistories } from './replay.ts';

let world: CrashWorld;
beforeAll(async () => {
  world = await startCrashWorld({ settings: async () => ({ E2B_MAX_RUNNING_SANDBOXES: '50' }) });
});
afterAll(() => world?.close());

interface Extras {
  agent?: string;
  resources?: unknown[];
}

async function openWith({ agent = world.simulators.anthropic.agentId, resources = [] }: Extras = {}) {
  const environment_id = world.simulators.anthropic.environmentId;
  return world.anthropic.beta.sessions.create({ agent, environment_id, resources } as never);
}

/** Creates a session with a store that holds one memory, `kept`; its first turn has ended. */
async function withMemory() {
  const { memoryStores } = world.anthropic.beta;
  const store = await memoryStores.create({ name: 'notes' });
  await memoryStores.memories.create(store.id, { path: '/kept', content: 'as it was' });
  const resource = { type: 'memory_store', memory_store_id: store.id, access: 'read_write' };
  const session = await openWith({ resources: [resource] });
  const [mounted] = session.resources;
  return {
    sessionId: session.id,
    folder: mounted?.type === 'memory_store' ? (mounted.mount_path ?? '') : '',
    /** The memories in the store. */
    holds: async () => {
      const held: Record<string, string | null> = {};
      for await (const memory of memoryStores.memories.list(store.id, { view: 'full' }))
        if (memory.type === 'memory') held[memory.path] = memory.content ?? null;
      return held;
    },
    /** The changes of the store, oldest first. */
    changes: async () => {
      const done: string[] = [];
      for await (const version of memoryStores.memoryVersions.list(store.id))
        done.unshift(`${version.operation} ${version.path}`);
      return done;
    },
  };
}

describe.concurrent('a process dies', { timeout: 300_000 }, () => {
  it.each<[string, Failpoint]>([
    ['memory noted, nothing of it done', 'memory-noted'],
    ['memory pulled, not recorded', 'memory-pulled'],
  ])('%s', async (_what, point) => {
    const { sessionId, folder, holds, changes } = await withMemory();
    world.arm(point, sessionId);
    const { answer } = await takeTurn(
      world.anthropic,
      sessionId,
      commands(counted('a', `cat ${folder}/kept`)),
    );
    expect(answer.trim()).toBe('as it was');
    expect(await endState(world, sessionId)).toEqual(atRest(1));
    expect(await world.died(point, sessionId)).toBe(true);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1 });
    expect(await holds()).toEqual({ '/kept': 'as it was' });
    expect(await changes()).toEqual(['created /kept']);
  });

  it.each<[string, Failpoint, string, Record<string, string>, string[]]>([
    [
      'memory pushed, not recorded',
      'memory-pushed',
      'printf changed > kept; printf new > more',
      { '/kept': 'changed', '/more': 'new' },
      ['created /more', 'modified /kept'],
    ],
    ['memory deleted, not recorded', 'memory-deleted', 'rm kept', {}, ['deleted /kept']],
  ])('%s', async (_what, point, change, held, changed) => {
    const { sessionId, folder, holds, changes } = await withMemory();
    await takeTurn(world.anthropic, sessionId, commands(counted('a')));
    await endState(world, sessionId);
    // The sync before the first call of this turn finds nothing to do and passes no failpoint.
    world.arm(point, sessionId);
    await takeTurn(world.anthropic, sessionId, commands(counted('b', `cd ${folder}; ${change}`)));
    expect(await endState(world, sessionId)).toEqual(atRest(2));
    expect(await world.died(point, sessionId)).toBe(true);
    expect(await countsOf(world, sessionId)).toEqual({ a: 1, b: 1 });
    expect(await holds()).toEqual(held);
    // Each change was made once.
    const [first, ...others] = await changes();
    expect([first, ...others.sort()]).toEqual(['created /kept', ...changed]);
  });

  it('skills installed, not recorded', async () => {
    const text = '---\nname: greeter\ndescription: Greets.\n---\nSay hello.\n';
    const { skills, agents } = world.anthropic.beta;
    const skill = await skills.create({ files: [await toFile(Buffer.from(text), 'greeter/SKILL.md')] });
    const agent = await agents.create({
      name: 'greets',
      model: 'claude-sonnet-5',
      tools: [{ type: 'agent_toolset_20260401' }],
      skills: [{ type: 'custom', skill_id: skill.id }],
    });
    const { id } = await openWith({ agent: agent.id });
    world.arm('session-equipped', id);
    const lines = [counted('a', 'tail -n 1 skills/greeter/SKILL.md; ls skills')];
    const { answer } = await takeTurn(world.anthropic, id, commands(...lines));
    expect(answer.trim()).toBe('Say hello.\ngreeter');
    expect(await endState(world, id)).toEqual(atRest(1));
    expect(await world.died('session-equipped', id)).toBe(true);
    expect(await countsOf(world, id)).toEqual({ a: 1 });
    expect((await statusOf(world, id)).attention).toEqual([]);
  });

  it.each<[string, Failpoint]>([
    ['approval reported, watch not recorded', 'events-signalled'],
    ['approved call about to be handed to the toolhost', 'call-handed'],
  ])('%s', async (_what, point) => {
    const { id } = await openWith();
    await sendMessage(world.anthropic, id, script(bash(counted('a'), { permission: 'ask' })));
    const held = await until('the call is held', async () => {
      const status = await statusOf(world, id).catch(() => null);
      return status?.phase === 'waiting for approval' && status.openCalls[0];
    });
    world.arm(point, id);
    const approval = { type: 'user.tool_confirmation' as const, tool_use_id: held.id };
    await world.anthropic.beta.sessions.events.send(id, { events: [{ ...approval, result: 'allow' }] });
    expect(await endState(world, id)).toEqual(atRest(1));
    expect(await world.died(point, id)).toBe(true);
    expect(await countsOf(world, id)).toEqual({ a: 1 });
  });

  it('slot requested, not recorded', async () => {
    const { id } = await openWith();
    world.arm('slot-wanted', id);
    await takeTurn(world.anthropic, id, commands(counted('a')));
    expect(await endState(world, id)).toEqual(atRest(1));
    expect(await world.died('slot-wanted', id)).toBe(true);
    expect(await countsOf(world, id)).toEqual({ a: 1 });
    expect(await sandboxesOf(world, id)).toHaveLength(1);
  });
});

it('leaves histories that replay, and no workflow task that failed', { timeout: 60_000 }, async () => {
  expect(await replayHistories(world)).toBeGreaterThan(0);
});
