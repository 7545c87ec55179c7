// A worker's activities with both simulators, skills, and sessions with skills and memory stores, for the tests of one
// file: its hooks start and end with those.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFile } from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { SkillArchives } from '../../activities/equipment/skills.ts';
import { createMemoryActivities } from '../../activities/memory/sync-memory.ts';
import { OpenSandboxes } from '../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../activities/sandbox/prepare-sandbox.ts';
import { type E2BSimulator, startE2BSimulator } from '../../simulators/test/e2b-simulator.ts';
import { bash, type Fixture, message, script, startFixture } from '../../simulators/test/managed-agents.ts';
import { DEFINITION } from '../../template/definition.ts';
import { writeLocalTemplate } from '../../template/manifest.ts';
import { TOOLHOST_VERSION } from '../../toolhost/version.ts';
import type { Prepared } from '../../workflows/contract.ts';
import { bundleToolhost } from '../toolhost/running-toolhost.ts';
import { activityContext, testDeps } from './deps.ts';

export let anthropic: Fixture;
export let e2b: E2BSimulator;
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

export const skills = () => anthropic.organization.beta.skills;
export const memories = () => anthropic.organization.beta.memoryStores.memories;
export const guide = (name: string, text: string) =>
  `---\nname: ${name}\ndescription: A test.\n---\n${text}\n`;
export const skillFile = (name: string, text: string) =>
  toFile(Buffer.from(guide(name, text)), `${name}/SKILL.md`);
export const newSkill = async (name: string, text = 'first') =>
  skills().create({ files: [await skillFile(name, text)] });
export const fault = (route: string, more: object = {}) =>
  anthropic.admin('POST', '/faults', { route, kind: 'status', status: 503, times: 1, ...more });

/** A worker's activities; another one knows nothing of its connections and archives. */
export function worker() {
  const deps = testDeps(
    { anthropic, e2b: { ...e2b, template: DEFINITION.name } },
    { toolhost: { file, version: TOOLHOST_VERSION } },
  );
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const { prepareSandbox } = createSandboxActivities(deps, sandboxes, new SkillArchives());
  const { syncMemory } = createMemoryActivities(deps, sandboxes);
  const prepare = (sessionId: string, sandboxId: string | null = null, attempt = 1): Promise<Prepared> =>
    activityContext({ attempt }).run(prepareSandbox, {
      sessionId,
      environmentId: anthropic.environmentId,
      sandboxId,
      nonce: 'nonce-1',
    });
  return { deps, prepare, syncMemory };
}

export async function session(more: { skills?: string[]; resources?: object[] }): Promise<string> {
  const wanted = (more.skills ?? []).map((skill_id) => ({ type: 'custom' as const, skill_id }));
  const agent = await anthropic.organization.beta.agents.create({
    name: 'Equipped',
    model: 'claude-opus-5-5',
    tools: [{ type: 'agent_toolset_20260401' }],
    skills: wanted,
  });
  const { id } = await anthropic.organization.beta.sessions.create({
    agent: agent.id,
    environment_id: anthropic.environmentId,
    initial_events: [message(script(bash('true')))],
    resources: (more.resources ?? []) as never,
  });
  return id;
}
