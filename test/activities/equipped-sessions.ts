// A worker's activities with both simulators, skills, and sessions with skills and memory stores.
import { toFile } from '@anthropic-ai/sdk';
import { SkillArchives } from '../../activities/equipment/skills.ts';
import { createMemoryActivities } from '../../activities/memory/sync-memory.ts';
import { OpenSandboxes } from '../../activities/sandbox/open-sandboxes.ts';
import { createSandboxActivities } from '../../activities/sandbox/prepare-sandbox.ts';
import { bash, message, script } from '../../simulators/test/managed-agents.ts';
import type { Prepared } from '../../workflows/contract.ts';
import { activityContext, testDeps } from './deps.ts';
import { anthropic, e2b } from './simulators.ts';

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
  const deps = testDeps({ anthropic, e2b });
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
