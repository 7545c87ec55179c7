/** Parses the scripts of the scripted model, which are in the `tools` block of a user's message. */
import { z } from 'zod';

export type Permission = 'allow' | 'ask' | 'deny';

/** A tool call of a script. */
export interface Call {
  name: string;
  input: Record<string, unknown>;
  /** Overrides the agent's policy for this call. */
  permission?: Permission | undefined;
  /** Makes it a call of an MCP tool. */
  mcp_server?: string | undefined;
  /** The result of a tool that the service itself runs. */
  result?: string | undefined;
  is_error?: boolean | undefined;
}

export const ERROR_TYPES = [
  'unknown_error',
  'model_overloaded_error',
  'model_rate_limited_error',
  'model_request_failed_error',
  'billing_error',
  'tool_use_limit_reached_error',
] as const;
export const REFUSALS = ['cyber', 'bio', 'frontier_llm', 'reasoning_extraction', 'general_harms'] as const;

/** One step of the model. `answer`: say the results of the last calls. `ask`: let a real model decide. */
export type Step =
  | { calls: Call[] }
  | { say: string }
  | { answer: true }
  | { think: true }
  | { wait_ms: number }
  | { wait_for_file: string }
  | { spend_cents: number }
  | { error: (typeof ERROR_TYPES)[number]; retries: number; end: 'recover' | 'exhausted' | 'terminal' }
  | { refuse: (typeof REFUSALS)[number] | null; explanation: string | null }
  /** With `workflow_run` they belong to a workflow run, and interrupts do not end them. */
  | { threads: ThreadScript[]; workflow_run: boolean }
  | { ask: true; attempt: number };

/** A child thread: receives the message, takes its steps, and sends its last message to the primary thread. */
export interface ThreadScript {
  name: string;
  message: string;
  steps: Step[];
  /** Whether the thread terminates after its turn. */
  terminate: boolean;
}

const MAX_WAIT_MS = 24 * 60 * 60 * 1000;

const call = z.strictObject({
  name: z.string().min(1),
  input: z.record(z.string(), z.unknown()).default({}),
  permission: z.enum(['allow', 'ask', 'deny']).optional(),
  mcp_server: z.string().min(1).optional(),
  result: z.string().optional(),
  is_error: z.boolean().optional(),
});
const calls = z.union([z.array(call).min(1), call.transform((one) => [one])]);
const simple = z.union([
  z.strictObject({ say: z.string() }),
  z.strictObject({ think: z.literal(true) }),
  z.strictObject({ wait_ms: z.number().int().min(0).max(MAX_WAIT_MS) }),
  z.strictObject({ wait_for_file: z.string().startsWith('/') }),
  z.strictObject({ spend_cents: z.number().int().min(0) }),
  z.strictObject({
    error: z.enum(ERROR_TYPES),
    retries: z.number().int().min(0).max(10).default(1),
    end: z.enum(['recover', 'exhausted', 'terminal']).default('recover'),
  }),
  z.strictObject({
    refuse: z.enum(REFUSALS).nullable(),
    explanation: z.string().nullable().default(null),
  }),
  calls.transform((list) => ({ calls: list })),
]);
const thread = z.strictObject({
  name: z.string().min(1),
  message: z.string().min(1).default('Go ahead.'),
  steps: z.array(simple).min(1),
  terminate: z.boolean().default(false),
});
const threads = z.strictObject({
  threads: z.array(thread).min(1).max(20),
  workflow_run: z.boolean().default(false),
});
const script = z.array(z.union([threads, simple])).min(1);

/** Throws an `Error` with the reason for a script that is not valid. */
export function parseScript(text: string): Step[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`The tools block is not JSON: ${(error as Error).message}`);
  }
  const parsed = script.safeParse(json);
  if (parsed.success) return parsed.data.map(withThreadAnswers);
  throw new Error(`The tools block is not a list of steps: ${z.prettifyError(parsed.error)}`);
}

function withThreadAnswers(step: Step): Step {
  if (!('threads' in step)) return step;
  return { ...step, threads: step.threads.map((one) => ({ ...one, steps: withAnswer(one.steps) })) };
}

/** Appends an `answer` step if the last step is a call. */
export function withAnswer(steps: Step[]): Step[] {
  const last = steps.at(-1);
  return last && 'calls' in last ? [...steps, { answer: true }] : steps;
}
