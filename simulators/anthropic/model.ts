/** The scripted model: what a user's message makes it do. */
import { parseScript, type Step } from './script.ts';

const TOOLS_BLOCK = /^```tools[^\S\n]*\n([\s\S]*?)\n?```[^\S\n]*$/m;
const USE_BASH = /\buse\s+(?:the\s+)?bash(?:\s+tool)?\s+to\s*:?\s*/i;
const RUN_WORD = /^(?:(?:run|execute)\b(?:\s+the\s+command)?\s*:?|the\s+command\b\s*:?)\s*/i;
/** What may follow a command in the same sentence. */
const FOLLOW_UP =
  /^,?\s+(?:and|then|and then)\s+(?:then\s+)?(?:reply|respond|answer|report|tell|show|print the|say|return)\b/i;

/** The steps for one user message; with a real model, a message without a script is put to it. */
export function scriptFor(text: string, asks = false): Step[] {
  const block = TOOLS_BLOCK.exec(text)?.[1];
  if (block !== undefined) return stepsOf(block);
  if (asks) return [{ ask: true, attempt: 1 }];
  const command = bashCommand(text);
  if (command !== undefined) return [{ calls: [{ name: 'bash', input: { command } }] }];
  return [{ say: `I have read your message of ${text.length} characters.` }];
}

function stepsOf(block: string): Step[] {
  try {
    return parseScript(block);
  } catch (error) {
    return [{ say: (error as Error).message }];
  }
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
