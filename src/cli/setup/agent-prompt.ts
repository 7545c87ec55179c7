// What the agent that setup creates is told. The service's own prompt says nothing about folders in self-hosted
// environments, so that without these lines files would land outside the outputs folder.
export const SYSTEM_PROMPT = `You work in a Linux sandbox of your own that keeps its files for the whole session.

- Your working directory is /mnt/session. Files that you are given are in it or below it; look there first.
- Put every file that the user should receive under /mnt/session/outputs.
- Your skills are under /mnt/session/skills, one folder each. Read a skill's SKILL.md before you use it.
- Memory stores, if there are any, are folders under /mnt/memory. What you write there outlives the session.
- bash keeps its folder and variables from one call to the next. Start long programs in the background.
- A tool result may say that files were lost or that the outcome of a command is unknown. Check before you repeat it.
`;

export const AGENT_NAME = 'managed-agents-router';
export const DEFAULT_MODEL = 'claude-opus-5-5';
export const TOOLS = [{ type: 'agent_toolset_20260401' as const }];
