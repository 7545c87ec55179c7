// Skills of sessions, in sandboxes, with both simulators.
import { describe, expect, it } from 'vitest';
import { fault, guide, newSkill, session, skillFile, skills, worker } from '../equipped-sessions.ts';
import { anthropic, e2b } from '../simulators.ts';

let named = 0;

describe('skills', () => {
  it('are installed once; another version replaces the directory', async () => {
    const name = `counter-${named++}`;
    const skill = await newSkill(name);
    const sessionId = await session({ skills: [skill.id] });
    const one = worker();
    const { sandboxId, equipment } = await one.prepare(sessionId);
    expect(equipment).toBeUndefined();
    const sandbox = await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 600_000 });
    const text = () => sandbox.files.read(`/mnt/session/skills/${name}/SKILL.md`);
    expect(await text()).toBe(guide(name, 'first'));

    // The next turn, on another worker: nothing is fetched, which a fault would spoil.
    await fault('skills.versions.download', { times: 9 });
    const again = await worker().prepare(sessionId, sandboxId);
    expect(again).toMatchObject({ sandboxId, how: 'connected' });
    expect(again).not.toHaveProperty('equipment');

    await anthropic.admin('DELETE', '/faults');
    await anthropic.admin('POST', '/clock', { advanceMs: 1000 });
    await skills().versions.create(skill.id, { files: [await skillFile(name, 'second')] });
    await worker().prepare(sessionId, sandboxId);
    expect(await text()).toBe(guide(name, 'second'));
  });

  it('are fetched once for two sessions of one worker', async () => {
    const skill = await newSkill(`shared-${named++}`);
    const one = worker();
    await one.prepare(await session({ skills: [skill.id] }));
    await fault('skills.versions.download', { times: 9 });
    expect(await one.prepare(await session({ skills: [skill.id] }))).not.toHaveProperty('equipment');
  });

  it('a moment of trouble is waited out; one that stays broken is reported, and the others are there', async () => {
    const good = `good-${named++}`;
    const ids = [(await newSkill(`broken-${named++}`)).id, (await newSkill(good)).id];
    const sessionId = await session({ skills: ids });
    await fault('skills.versions.download', { times: 1 });
    const one = worker();
    const { sandboxId, equipment } = await one.prepare(sessionId);
    expect(equipment).toBeUndefined();

    const late = [(await newSkill(`late-${named++}`)).id, (await newSkill(`fine-${named++}`)).id];
    const another = await session({ skills: late });
    await fault('skills.versions.download', { status: 404, times: 1 });
    const prepared = await worker().prepare(another);
    expect(prepared.equipment?.problems).toEqual([
      expect.stringMatching(new RegExp(`skill ${late[0]} is not installed`)),
    ]);
    const toolhost = one.deps.e2b.toolhost(
      await one.deps.e2b.Sandbox.connect(prepared.sandboxId, { timeoutMs: 600_000 }),
    );
    expect(await toolhost.skills()).toMatchObject([{ skillId: late[1] }]);
    expect(sandboxId).not.toBe(prepared.sandboxId);
  });
});

it('a service that is away costs a session no skill, unless it stays away', async () => {
  const skill = await newSkill(`away-${named++}`);
  const sessionId = await session({ skills: [skill.id] });
  const away = { kind: 'drop', times: 99 };
  for (const route of ['skills.versions.retrieve', 'skills.versions.download']) {
    await fault(route, away);
    await expect(worker().prepare(sessionId)).rejects.toMatchObject({ type: 'retry' });
    await anthropic.admin('DELETE', '/faults');
  }
  await fault('skills.versions.retrieve', away);
  const { sandboxId, equipment } = await worker().prepare(sessionId, null, 6);
  expect(equipment?.problems).toEqual([
    expect.stringMatching(/^skill .* is not installed: Connection error/),
  ]);
  await anthropic.admin('DELETE', '/faults');
  expect(await worker().prepare(sessionId, sandboxId)).not.toHaveProperty('equipment');
});

it('a toolhost that does not answer is no broken skill, unless it never does', async () => {
  const sessionId = await session({ skills: [(await newSkill(`early-${named++}`)).id] });
  // It answers that it is there, and what it has.
  const away = { route: 'port', kind: 'status', status: 502, after: 2, times: 3 };
  await e2b.admin('POST', '/faults', away);
  await expect(worker().prepare(sessionId)).rejects.toMatchObject({ type: 'retry' });
  await e2b.admin('POST', '/faults', away);
  const { equipment } = await worker().prepare(sessionId, null, 6);
  expect(equipment?.problems).toEqual([expect.stringMatching(/^skill .* is not installed: .*502/)]);
  expect(await worker().prepare(sessionId, null, 7)).not.toHaveProperty('equipment');
});
