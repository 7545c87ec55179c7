/** The skill that workers are given: what it says shows that it was fetched and unpacked. */
import { toFile } from '@anthropic-ai/sdk';
import type { Fixture } from './managed-agents.ts';

/** Uploads it, and has the agent of new sessions bring it. */
export async function bringAdder({ organization, agentId }: Fixture): Promise<void> {
  const text = '---\nname: adder\ndescription: Adds up numbers.\n---\nUse awk.\n';
  const skill = await organization.beta.skills.create({
    files: [await toFile(Buffer.from(text), 'adder/SKILL.md')],
  });
  await organization.beta.agents.update(agentId, {
    version: 1,
    skills: [{ type: 'custom', skill_id: skill.id }],
  });
}
