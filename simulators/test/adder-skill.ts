/** A skill whose output proves that a worker has downloaded and unpacked it. */
import { toFile } from '@anthropic-ai/sdk';
import type { Fixture } from './managed-agents.ts';

/** Uploads the skill and adds it to the agent of new sessions. */
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
