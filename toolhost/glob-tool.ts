// `glob` for a Node without `fs.glob` (before 22), which the SDK's own needs: the same input, checks and output.
// Sandboxes of the template have a newer Node and use the SDK's.
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError';
import { type AgentToolContext, resolvePath } from '@anthropic-ai/sdk/tools/agent-toolset/node';

const MAX_ENTRIES = 50_000;
const MAX_RESULTS = 200;
const SKIPPED = new Set(['.git', 'node_modules']);

/** The tool, or undefined where the SDK's own works. */
export function globTool(context: AgentToolContext): BetaRunnableTool | undefined {
  if ('glob' in fs) return undefined;
  return betaTool({
    name: 'glob',
    description: 'Match files under the workdir against a glob pattern. Results are newest first.',
    inputSchema: {
      type: 'object',
      properties: { pattern: { type: 'string' }, path: { type: 'string' } },
      required: ['pattern'],
    },
    run: async ({ pattern, path: within }) => {
      if (!pattern) throw new ToolError('glob: pattern is required');
      if (path.isAbsolute(pattern)) throw new ToolError('glob: the pattern must be relative');
      if (pattern.split(/[\\/{},]/).includes('..')) throw new ToolError('glob: ".." is not permitted');
      const root = await resolvePath(context, within || '.');
      const found: { file: string; mtime: number }[] = [];
      for await (const file of filesBelow(root)) {
        if (!path.matchesGlob(path.relative(root, file), path.normalize(pattern))) continue;
        const mtime = await fs.stat(file).then(
          (stat) => stat.mtimeMs,
          () => 0,
        );
        found.push({ file, mtime });
      }
      found.sort((a, b) => b.mtime - a.mtime);
      return found.length === 0
        ? 'no matches'
        : found
            .slice(0, MAX_RESULTS)
            .map(({ file }) => file)
            .join('\n');
    },
  });
}

/** Regular files below `root`, links not followed, at most so many entries looked at. */
async function* filesBelow(root: string): AsyncGenerator<string> {
  let left = MAX_ENTRIES;
  const directories = [root];
  for (let dir = directories.shift(); dir !== undefined; dir = directories.shift()) {
    for (const entry of await fs.readdir(dir, { withFileTypes: true }).catch(() => [])) {
      if (SKIPPED.has(entry.name)) continue;
      if (left-- <= 0) return;
      const full = path.join(dir, entry.name);
      if (entry.isDirectory()) directories.push(full);
      else if (entry.isFile()) yield full;
    }
  }
}
