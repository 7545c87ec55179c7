// Compares Anthropic's toolset with ours: every difference is intended, named, and explained in docs/tools.md.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { betaAgentToolset20260401 } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { afterAll, expect, test } from 'vitest';
import { Toolboxes } from '../../toolhost/toolboxes.ts';
import { CASES, type Case, DIFFERENCES } from './difference-cases.ts';

const dir = mkdtempSync(join(tmpdir(), 'differences-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Answer = { content: unknown; isError: boolean };
type Run = (name: string, input: object, id: string) => Promise<Answer>;

/** The answers of the calls and the files afterwards; folder names and line numbers in messages are made equal. */
async function outcome({ files = {}, calls }: Case, workdir: string, run: Run): Promise<string> {
  mkdirSync(workdir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(workdir, name)), { recursive: true });
    writeFileSync(join(workdir, name), content);
  }
  const answers: Answer[] = [];
  for (const [index, [name, input]] of calls.entries()) answers.push(await run(name, input, `call_${index}`));
  const text = JSON.stringify({ answers, files: contentsOf(workdir) });
  return text.replaceAll(workdir, '<workdir>').replaceAll(/bash: line \d+:/g, 'bash: line N:');
}

function contentsOf(workdir: string): Record<string, string> {
  const names = readdirSync(workdir, { recursive: true }).map(String).sort();
  const files = names.filter((name) => statSync(join(workdir, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(workdir, name), 'latin1')]));
}

async function official(one: Case, workdir: string): Promise<string> {
  const tools = betaAgentToolset20260401({ workdir });
  try {
    return await outcome(one, workdir, async (name, input, id) => {
      const tool = tools.find((other) => other.name === name);
      if (!tool) throw new Error(`the official toolset has no ${name}`);
      const toolUse = { type: 'tool_use' as const, id, name, input };
      const { content, isError } = await runRunnableTool(tool, input, { toolUse, toolUseBlock: toolUse });
      // Anthropic's worker posts these words for an empty text.
      const text = content || '(no output)';
      return { content: typeof text === 'string' ? [{ type: 'text', text }] : text, isError };
    });
  } finally {
    for (const tool of tools) await tool.close?.();
  }
}

async function ours(one: Case, workdir: string): Promise<string> {
  const toolboxes = new Toolboxes(workdir, `${workdir}-state`, () => []);
  try {
    return await outcome(one, workdir, (name, input, id) =>
      toolboxes.of('', '').run(id, { name, input, timeoutMs: 20_000 }, new AbortController().signal),
    );
  } finally {
    toolboxes.close();
  }
}

test.concurrent.each(CASES.map((one, index) => ({ ...one, index })))('$what', async (one) => {
  const [theirs, own] = await Promise.all([
    official(one, join(dir, `${one.index}-official`)),
    ours(one, join(dir, `${one.index}-ours`)),
  ]);
  if (one.difference) expect(own, 'a difference that is named, and is none any more').not.toBe(theirs);
  else expect(own).toBe(theirs);
});

test('every difference has a case, and docs/tools.md explains it', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(60);
  const docs = readFileSync(new URL('../../docs/tools.md', import.meta.url), 'utf8');
  for (const name of DIFFERENCES) {
    expect(CASES.filter((one) => one.difference === name)).not.toEqual([]);
    expect(docs).toContain(`| ${name} |`);
  }
});
