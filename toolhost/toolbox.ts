// The tools: Anthropic's own agent toolset, but for those that are ours, with checked inputs, a limit of time and bounded
// results. docs/tools.md lists what differs.
import { mkdir } from 'node:fs/promises';
import { type BetaRunnableTool, runRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { betaAgentToolset20260401 } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { type CallRequest, type CallResult, textResult } from './call.ts';
import { MAX_RESULT_BYTES } from './protocol.ts';
import type { BashInput, BashTool } from './shell/bash-tool.ts';
import { type InputSchema, inputProblem } from './tool-input.ts';
import { type EditInput, editFile } from './tools/edit-tool.ts';
import { readFile } from './tools/read-tool.ts';

/** Of a result, for what one of our tools adds to it. */
const NOTE_BYTES = 256;
/** How long a tool that was told to end may take to; then it is left behind. */
const END_GRACE_MS = 2_000;

export interface Toolbox {
  /** Runs one call to its end; never throws. An abort of `cancel` ends it early, with whatever result. */
  run(id: string, call: CallRequest, cancel: AbortSignal): Promise<CallResult>;
  /** Kills the shell and all that runs in its process group, at once. */
  close(): void;
}

/** A directory beside `workdir` that the file tools reach. */
export interface Root {
  root: string;
  readOnly: boolean;
}

/** A tool with a checked input. `cancel` has the reason why the call must end. */
interface Tool {
  schema: InputSchema;
  run(id: string, input: unknown, cancel: AbortSignal): Promise<CallResult>;
}

/** The tools, working in `workdir` and in the `roots` of the moment, for one call at a time. */
export function createToolbox(workdir: string, roots: () => Root[], bash: BashTool): Toolbox {
  // The tools look at these anew at each call.
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
      // A command may have removed it, and no shell starts in a directory that is not there.
      await mkdir(workdir, { recursive: true }).catch(() => {});
      return runBounded(name, tool, id, input, limitOf(name, input, timeoutMs), cancel);
    },
    close() {
      bash.close();
    },
  };
}

/** The same name and inputs, another way to run it. */
function replace(tools: Map<string, Tool>, name: string, by: (run: Tool['run']) => Tool['run']): void {
  const tool = tools.get(name);
  if (!tool) throw new Error(`the toolset has no ${name}`);
  tools.set(name, { ...tool, run: by(tool.run) });
}

function bashRunner(bash: BashTool): Tool['run'] {
  return async (id, input, cancel) => {
    const { text, isError } = await bash.run(id, input as BashInput, cancel);
    // The end of a command's output says how it went.
    return textResult(text, isError, 'tail');
  };
}

/** A tool of Anthropic's set. */
function officialTool(tool: BetaRunnableTool): Tool {
  return {
    schema: (tool as { input_schema?: InputSchema }).input_schema ?? {},
    async run(id, input, signal) {
      // The tools read the signal alone; the event they belong to is the session's and not needed here.
      const toolUse = { type: 'tool_use' as const, id, name: tool.name, input };
      const context = { toolUse, toolUseBlock: toolUse, signal };
      const { content, isError } = await runRunnableTool(tool, input, context);
      const text = typeof content === 'string' ? content : content.map(textOf).join('\n');
      return textResult(text, isError, 'head', MAX_RESULT_BYTES - NOTE_BYTES);
    },
  };
}

/** A command may name a shorter limit; 0 stands for the default one. */
function limitOf(name: string, input: unknown, timeoutMs: number): number {
  const asked = name === 'bash' ? (input as { timeout_ms?: number }).timeout_ms : undefined;
  return asked && asked > 0 ? Math.min(asked, timeoutMs) : timeoutMs;
}

/** Runs the tool, tells it to end at its limit or when it is cancelled, and leaves it behind if it does not. */
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
    // A tool other than bash does not say why it was told to end.
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
