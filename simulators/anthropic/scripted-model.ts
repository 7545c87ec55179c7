/** The scripted model: derives the steps of a turn from the text of the user's message. */
import { parseScript, type Step, withAnswer } from './script.ts';

const TOOLS_BLOCK = /^```tools[^\S\n]*\n([\s\S]*?)\n?```[^\S\n]*$/m;
const USE_BASH = /\buse\s+(?:the\s+)?bash(?:\s+tool)?\s+to\s*:?\s*/i;
const RUN_WORD = /^(?:(?:run|execute)\b(?:\s+the\s+command)?\s*:?|the\s+command\b\s*:?)\s*/i;
/** A further request in the same sentence, which ends the command. */
const FOLLOW_UP =
  /^,?\s+(?:and|then|and then)\s+(?:then\s+)?(?:reply|respond|answer|report|tell|show|print the|say|return)\b/i;

/** The steps that one user message adds to a turn; without `parallelCalls`, each call is a step of its own. */
export function stepsForMessage(text: string, hasRealModel: boolean, parallelCalls: boolean): Step[] {
  // Each message has its own answer, even if the next message is queued already.
  const steps = withAnswer(scriptFor(text, hasRealModel));
  if (parallelCalls) return steps;
  return steps.flatMap((step): Step[] =>
    'calls' in step ? step.calls.map((call) => ({ calls: [call] })) : [step],
  );
}

/** The steps for one user message. With a real model, it answers the messages that contain no script. */
export function scriptFor(text: string, hasRealModel = false): Step[] {
  const block = TOOLS_BLOCK.exec(text)?.[1];
  if (block !== undefined) return stepsOf(block);
  if (hasRealModel) return [{ ask: true, attempt: 1 }];
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

/** The command X of a message "Use bash to X. …", without quotes around it; undefined for other messages. */
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

/** The command if quotes enclose all of it; undefined if they enclose only its first word. */
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

/** Whether a dot is a full stop: after a word, before white space or the end. The dot of `find . -name x` is not. */
function isFullStop(text: string, index: number): boolean {
  const before = text[index - 1] ?? ' ';
  const after = text[index + 1];
  return !/[\s./]/.test(before) && (after === undefined || /\s/.test(after));
}
