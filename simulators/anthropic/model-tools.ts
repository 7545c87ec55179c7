/** Tool definitions of an agent for the Messages API, without the tools that the service itself runs. */
import type { AgentVersion } from './state.ts';

interface Definition {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

const text = (description: string) => ({ type: 'string', description });

function tool(
  name: string,
  description: string,
  properties: Record<string, unknown>,
  required: string[],
): Definition {
  return { name, description, input_schema: { type: 'object', properties, required } };
}

/** The tools of the agent toolset that a worker runs. */
const TOOLSET = [
  tool('bash', 'Runs a command in a persistent bash session.', { command: text('The command.') }, [
    'command',
  ]),
  tool(
    'read',
    'Reads a text file.',
    {
      file_path: text('The path of the file.'),
      view_range: {
        type: 'array',
        items: { type: 'integer' },
        description: 'The first and the last line, from 1.',
      },
    },
    ['file_path'],
  ),
  tool(
    'write',
    'Writes a file; replaces what is there.',
    { file_path: text('The path of the file.'), content: text('Its content.') },
    ['file_path', 'content'],
  ),
  tool(
    'edit',
    'Replaces a text in a file.',
    {
      file_path: text('The path of the file.'),
      old_string: text('The text that is there, once.'),
      new_string: text('The text instead.'),
      replace_all: { type: 'boolean', description: 'Replaces every occurrence.' },
    },
    ['file_path', 'old_string', 'new_string'],
  ),
  tool(
    'glob',
    'Finds files whose paths match a pattern.',
    { pattern: text('Such as **/*.ts.'), path: text('The folder to look in.') },
    ['pattern'],
  ),
  tool(
    'grep',
    'Finds lines that match a regular expression.',
    { pattern: text('The expression.'), path: text('The file or folder to look in.') },
    ['pattern'],
  ),
];

interface Toolset {
  type: string;
  name?: string;
  description?: string;
  input_schema?: Record<string, unknown>;
  configs?: { name: string; enabled: boolean }[];
  default_config?: { enabled: boolean };
}

export function toolDefinitions(agent: AgentVersion): Definition[] {
  return (agent.tools as unknown as Toolset[]).flatMap((entry) => {
    if (entry.type === 'custom') {
      const { name = '', description = '', input_schema = { type: 'object' } } = entry;
      return [{ name, description, input_schema }];
    }
    if (entry.type !== 'agent_toolset_20260401') return [];
    const enabled = (name: string) =>
      (entry.configs?.find((config) => config.name === name) ?? entry.default_config)?.enabled ?? true;
    return TOOLSET.filter(({ name }) => enabled(name));
  });
}
