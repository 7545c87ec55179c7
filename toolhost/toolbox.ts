// The tools: Anthropic's own agent toolset, as its worker runs it, with checked inputs, a deadline and bounded results.
import { mkdir } from 'node:fs/promises';
import { type BetaRunnableTool, runRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { betaAgentToolset20260401 } from '@anthropic-ai/sdk/tools/agent-toolset/node';
import { type CallRequest, type CallResult, textResult } from './call.ts';
import { globTool } from './glob-tool.ts';
import { type InputSchema, inputProblem } from './tool-input.ts';

/** How long a tool that was told to end may take to; then it is left behind. */
const END_GRACE_MS = 2_000;

export interface Toolbox {
  /** Runs one call to its end; never throws. An abort of `cancel` ends it early, with whatever result. */
  run(id: string, call: CallRequest, cancel: AbortSignal): Promise<CallResult>;
  /** Says that the shell could not start, or was gone when a command came: fails the command that waits for it. */
  shellFailed(error: Error): void;
  /** Kills the shell and all that runs in its process group, at once. */
  close(): void;
}

/** A directory beside `workdir` that the file tools reach. */
export interface Root {
  root: string;
  readOnly: boolean;
}

/**
 * The tools, working in `workdir` and in the `roots` of the moment, for one call at a time.
 * @param variables of the shell, beside those of this process
 */
export function createToolbox(
  workdir: string,
  roots: () => Root[] = () => [],
  variables: Record<string, string> = {},
): Toolbox {
  // The tools look at these anew at each call.
  const context = {
    workdir,
    env: { ...shellEnvironment(), ...variables },
    get allowedRoots() {
      return roots().map(({ root }) => root);
    },
    get readOnlyRoots() {
      return roots().flatMap(({ root, readOnly }) => (readOnly ? [root] : []));
    },
  };
  const tools = new Map(betaAgentToolset20260401(context).map((tool) => [tool.name, tool] as const));
  const glob = globTool(context);
  if (glob) tools.set('glob', glob);
  let command: AbortController | undefined;

  return {
    async run(id, call, cancel) {
      const { name, input } = call;
      const tool = tools.get(name);
      if (!tool)
        return textResult(`There is no tool "${name}" here, only ${[...tools.keys()].join(', ')}.`, true);
      const problem = inputProblem((tool as { input_schema?: InputSchema }).input_schema ?? {}, input);
      if (problem) return textResult(`${name}: ${problem}`, true);
      // A command may have removed it, and no shell starts in a directory that is not there.
      await mkdir(workdir, { recursive: true }).catch(() => {});
      const end = new AbortController();
      command = name === 'bash' ? end : undefined;
      return runBounded(tool, id, call, cancel, end);
    },
    shellFailed(error) {
      command?.abort(new Error(`no shell: ${error.message}`));
    },
    close() {
      for (const tool of tools.values()) void tool.close?.();
    },
  };
}

/** As the toolset has it where nothing is added to it. */
function shellEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith('ANTHROPIC_'));
  return Object.fromEntries(kept) as Record<string, string>;
}

/** Runs the tool, tells it to end at its deadline or when it is cancelled, and leaves it behind if it does not. */
async function runBounded(
  tool: BetaRunnableTool,
  id: string,
  { name, input, timeoutMs }: CallRequest,
  cancel: AbortSignal,
  end: AbortController,
): Promise<CallResult> {
  const grace = new Promise<undefined>((resolve) => {
    end.signal.addEventListener('abort', () => setTimeout(resolve, END_GRACE_MS, undefined).unref());
  });
  const late = new Error(`timed out after ${timeoutMs} ms`);
  const timer = setTimeout(() => end.abort(late), timeoutMs);
  const onCancel = () => end.abort(new Error('cancelled'));
  cancel.addEventListener('abort', onCancel);
  if (cancel.aborted) onCancel();
  try {
    const result = await Promise.race([outcome(tool, id, name, input, end.signal), grace]);
    if (result && !(result.isError && end.signal.reason === late)) return result;
    return end.signal.reason === late
      ? timedOut(name, timeoutMs)
      : textResult(`${name}: did not end when it was told to`, true);
  } finally {
    clearTimeout(timer);
    cancel.removeEventListener('abort', onCancel);
  }
}

async function outcome(
  tool: BetaRunnableTool,
  id: string,
  name: string,
  input: unknown,
  signal: AbortSignal,
): Promise<CallResult> {
  // The tools read the signal alone; the event they belong to is the session's and not needed here.
  const toolUse = { type: 'tool_use' as const, id, name, input };
  const { content, isError } = await runRunnableTool(tool, withDefaultTimeout(input), {
    toolUse,
    toolUseBlock: toolUse,
    signal,
  });
  const text = typeof content === 'string' ? content : content.map(textOf).join('\n');
  // The end of a command's output says how it went; of a file or a list the beginning is what was asked for.
  return textResult(text, isError, name === 'bash' ? 'tail' : 'head');
}

/** The schema that the model knows says that a timeout of 0 is the default one; the SDK takes it for no time at all. */
function withDefaultTimeout(input: unknown): unknown {
  const { timeout_ms, ...rest } = input as Record<string, unknown>;
  return typeof timeout_ms === 'number' && timeout_ms > 0 ? input : rest;
}

function textOf(block: { type: string; text?: string }): string {
  return block.type === 'text' ? (block.text ?? '') : JSON.stringify(block);
}

function timedOut(name: string, timeoutMs: number): CallResult {
  const shell = ' Its shell was killed with all that ran in it; the next command starts in a new one.';
  return textResult(`${name}: timed out after ${timeoutMs} ms.${name === 'bash' ? shell : ''}`, true);
}
