// The tools: Anthropic's agent toolset with bash, read and edit replaced by our own. Inputs are checked, and time and
// results are limited. docs/tools.md lists the differences.
import { mkdir } from 'node:fs/promises';
import { type BetaRunnableTool, runRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { betaAgentToolset20260401 } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { type CallRequest, type CallResult, textResult } from './call.ts';
import { MAX_RESULT_BYTES } from './protocol.ts';
import type { BashInput, BashTool } from './shell/bash-tool.ts';
import { type InputSchema, inputProblem } from './tool-input.ts';
import { type EditInput, editFile } from './tools/edit-tool.ts';
import { readFile } from './tools/read-tool.ts';

/** Part of a result that is reserved for notes that our tools add. */
const NOTE_BYTES = 256;
/** How long a tool may take to end after its signal is aborted; then its call ends without it. */
const END_GRACE_MS = 2_000;

export interface Toolbox {
  /** Runs one call to its end; never throws. If `cancel` is aborted the call ends early; its result is then not used. */
  run(id: string, call: CallRequest, cancel: AbortSignal): Promise<CallResult>;
  /** Kills the shell and its process group at once. */
  close(): void;
}

/** A directory outside `workdir` that the file tools can reach. */
export interface Root {
  root: string;
  readOnly: boolean;
}

/** A tool whose input has been checked. The reason of `cancel` says why the call must end. */
interface Tool {
  schema: InputSchema;
  run(id: string, input: unknown, cancel: AbortSignal): Promise<CallResult>;
}

/**
 * Creates the tools for one thread of a session; they run one call at a time.
 * @param roots returns the directories outside `workdir` that are mounted now
 */
export function createToolbox(workdir: string, roots: () => Root[], bash: BashTool): Toolbox {
  // Getters, because the tools read them at each call and stores may be mounted meanwhile.
  const context = {
    workdir,
    get allowedRoots() {
      return roots().map(({ root }) => root);
    },
    get readOnlyRoots() {
      return roots().flatMap(({ root, readOnly }) => (readOnly ? [root] : []));
    },
  };
  const tools = new Map(betaAgentToolset20260401(context).map((tool) => [tool.name, officialTool(tool)]));
  replace(tools, 'bash', () => bashRunner(bash));
  replace(
    tools,
    'read',
    (read) => (id, input, cancel) =>
      readFile(context, (input as { file_path: string }).file_path, () => read(id, input, cancel)),
  );
  replace(tools, 'edit', () => (_id, input) => editFile(context, input as EditInput));

  return {
    async run(id, { name, input, timeoutMs }, cancel) {
      const tool = tools.get(name);
      if (!tool)
        return textResult(`There is no tool "${name}" here, only ${[...tools.keys()].join(', ')}.`, true);
      const problem = inputProblem(tool.schema, input);
      if (problem) return textResult(`${name}: ${problem}`, true);
      // A command may have removed the directory, and no shell starts in a directory that does not exist.
      await mkdir(workdir, { recursive: true }).catch(() => {});
      return runBounded(name, tool, id, input, limitOf(name, input, timeoutMs), cancel);
    },
    close() {
      bash.close();
    },
  };
}

/** Replaces how a tool runs; its name and input schema stay. */
function replace(tools: Map<string, Tool>, name: string, by: (run: Tool['run']) => Tool['run']): void {
  const tool = tools.get(name);
  if (!tool) throw new Error(`the toolset has no ${name}`);
  tools.set(name, { ...tool, run: by(tool.run) });
}

function bashRunner(bash: BashTool): Tool['run'] {
  return async (id, input, cancel) => {
    const { text, isError } = await bash.run(id, input as BashInput, cancel);
    // The end of the output matters most: it says how the command ended.
    return textResult(text, isError, 'tail');
  };
}

/** A tool of Anthropic's toolset. */
function officialTool(tool: BetaRunnableTool): Tool {
  return {
    schema: (tool as { input_schema?: InputSchema }).input_schema ?? {},
    async run(id, input, signal) {
      // The tools use only the signal of this context.
      const toolUse = { type: 'tool_use' as const, id, name: tool.name, input };
      const context = { toolUse, toolUseBlock: toolUse, signal };
      const { content, isError } = await runRunnableTool(tool, input, context);
      const text = typeof content === 'string' ? content : content.map(textOf).join('\n');
      return textResult(text, isError, 'head', MAX_RESULT_BYTES - NOTE_BYTES);
    },
  };
}

/** The model may set a shorter limit for a command; 0 means the default. */
function limitOf(name: string, input: unknown, timeoutMs: number): number {
  const asked = name === 'bash' ? (input as { timeout_ms?: number }).timeout_ms : undefined;
  return asked && asked > 0 ? Math.min(asked, timeoutMs) : timeoutMs;
}

/** Runs the tool. At its time limit or when it is cancelled, aborts its signal; ends without it if it ignores that. */
async function runBounded(
  name: string,
  tool: Tool,
  id: string,
  input: unknown,
  limitMs: number,
  cancel: AbortSignal,
): Promise<CallResult> {
  const end = new AbortController();
  const grace = new Promise<undefined>((resolve) => {
    end.signal.addEventListener('abort', () => setTimeout(resolve, END_GRACE_MS, undefined).unref());
  });
  const late = new Error(`timed out after ${limitMs} ms`);
  const timer = setTimeout(() => end.abort(late), limitMs);
  const onCancel = () => end.abort(new Error('cancelled'));
  cancel.addEventListener('abort', onCancel);
  if (cancel.aborted) onCancel();
  try {
    const result = await Promise.race([tool.run(id, input, end.signal), grace]);
    // Tools other than bash do not report the reason of the abort, so it is reported here.
    if (result && !(result.isError && name !== 'bash' && end.signal.reason === late)) return result;
    return textResult(`${name}: ${result ? late.message : 'did not end when it was told to'}`, true);
  } finally {
    clearTimeout(timer);
    cancel.removeEventListener('abort', onCancel);
  }
}

function textOf(block: { type: string; text?: string }): string {
  return block.type === 'text' ? (block.text ?? '') : JSON.stringify(block);
}
