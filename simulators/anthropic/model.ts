/**
 * The scripted model: what a user's message makes it do. A script is a list of steps; the calls of a step
 * are made together, and the next step follows when all of them are answered.
 */
import { z } from 'zod';

/** `permission` overrides the agent's policy for this call; `mcp_server` makes it a call of an MCP tool. */
export interface Call {
  name: string;
  input: Record<string, unknown>;
  permission?: Permission | undefined;
  mcp_server?: string | undefined;
}

export type Permission = 'allow' | 'ask' | 'deny';

/** `answer`: say what the last calls gave. */
export type Step = { calls: Call[] } | { say: string } | { answer: true };

const call = z.strictObject({
  name: z.string().min(1),
  input: z.record(z.string(), z.unknown()).default({}),
  permission: z.enum(['allow', 'ask', 'deny']).optional(),
  mcp_server: z.string().min(1).optional(),
});
const step = z.union([z.array(call).min(1), z.strictObject({ say: z.string() }), call]);
const script = z.array(step).min(1);

const TOOLS_BLOCK = /^```tools[^\S\n]*\n([\s\S]*?)\n?```[^\S\n]*$/m;
const USE_BASH = /\buse\s+(?:the\s+)?bash(?:\s+tool)?\s+to\s*:?\s*/i;
const RUN_WORD = /^(?:(?:run|execute)\b(?:\s+the\s+command)?\s*:?|the\s+command\b\s*:?)\s*/i;
/** What may follow a command in the same sentence. */
const FOLLOW_UP =
  /^,?\s+(?:and|then|and then)\s+(?:then\s+)?(?:reply|respond|answer|report|tell|show|print the|say|return)\b/i;

/** The steps for one user message. */
export function scriptFor(text: string): Step[] {
  const block = TOOLS_BLOCK.exec(text)?.[1];
  if (block !== undefined) return stepsOf(block);
  const command = bashCommand(text);
  if (command !== undefined) return [{ calls: [{ name: 'bash', input: { command } }] }];
  return [{ say: `I have read your message of ${text.length} characters.` }];
}

function stepsOf(block: string): Step[] {
  let json: unknown;
  try {
    json = JSON.parse(block);
  } catch (error) {
    return [{ say: `The tools block is not JSON: ${(error as Error).message}` }];
  }
  const parsed = script.safeParse(json);
  if (!parsed.success) {
    return [{ say: `The tools block is not a list of steps: ${z.prettifyError(parsed.error)}` }];
  }
  return parsed.data.map((step) => {
    if ('say' in step) return step;
    return { calls: Array.isArray(step) ? step : [step] };
  });
}

/** X of "Use bash to X. …", without the quotes around it; undefined for any other message. */
export function bashCommand(text: string): string | undefined {
  const start = USE_BASH.exec(text);
  if (!start) return undefined;
  let rest = text.slice(start.index + start[0].length);
  rest = rest.replace(RUN_WORD, '');
  const quoted = quotedCommand(rest);
  if (quoted !== undefined) return quoted;
  const command = rest.slice(0, sentenceEnd(rest)).trim();
  return command === '' ? undefined : command;
}

/** The text in the quotes that stand around the whole command; a quoted first word is no such thing. */
function quotedCommand(rest: string): string | undefined {
  const quote = rest[0];
  if (quote !== '`' && quote !== '"' && quote !== "'") return undefined;
  const end = rest.indexOf(quote, 1);
  if (end < 2) return undefined;
  const tail = rest.slice(end + 1);
  const whole = quote === '`' || /^(?:[.,;!?](?:\s|$)|\n|$)/.test(tail) || FOLLOW_UP.test(tail);
  return whole ? rest.slice(1, end).trim() : undefined;
}

/** Where the sentence ends: a newline, a full stop before white space, or a follow-up; not inside quotes. */
function sentenceEnd(text: string): number {
  let quote = '';
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] ?? '';
    if (quote) {
      if (char === '\\' && quote === '"') index += 1;
      else if (char === quote) quote = '';
      continue;
    }
    if (char === '\n') return index;
    if (char === '\\') index += 1;
    else if ((char === '"' || char === "'" || char === '`') && text.indexOf(char, index + 1) > 0)
      quote = char;
    else if (char === '.' && isFullStop(text, index)) return index;
    else if ((char === ',' || char === ' ') && FOLLOW_UP.test(text.slice(index))) return index;
  }
  return text.length;
}

/** A full stop ends a word and is followed by white space or nothing; `find . -name x` has none. */
function isFullStop(text: string, index: number): boolean {
  const before = text[index - 1] ?? ' ';
  const after = text[index + 1];
  return !/[\s./]/.test(before) && (after === undefined || /\s/.test(after));
}
