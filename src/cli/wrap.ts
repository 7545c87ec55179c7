// Breaks long lines for a terminal: between words, never within a command to copy.
import { stripVTControlCharacters } from 'node:util';

/** Wider than this, what precedes the text is no title that the lines below stand under. */
const MOST_INDENT = 16;
const NO_BREAK = '\u00a0';

/** Breaks a line between words. Words that are longer than a line, such as addresses, stay whole. */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .map((paragraph) => {
      const indent = /^ */.exec(paragraph)?.[0] ?? '';
      return fill(paragraph.trim().split(' '), width, indent.length)
        .map((line) => indent + line)
        .join('\n');
    })
    .join('\n');
}

/**
 * Text for a terminal: lines that are too long go on below their own beginning, or below the text that follows a title
 * (`Since   4 min ago`). Commands of this program stay on one line, so that they can be copied. Colours count nothing.
 */
export function fitToWidth(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => (lengthOf(line) > width ? fitLine(line, width) : line))
    .join('\n');
}

function fitLine(line: string, width: number): string {
  const [start = ''] = /^ *(?:\S+(?: \S+)* {2,})?/.exec(stripVTControlCharacters(line)) ?? [];
  const indent = start.length > 0 && start.length <= MOST_INDENT ? start.length : leadingSpaces(line);
  const words = line
    .replace(
      /managed-agents-router [^,;:()\n]*/g,
      (command) => command.trimEnd().replaceAll(' ', NO_BREAK) + gap(command),
    )
    .split(' ');
  return fill(words, width - indent, 0, indent)
    .join(`\n${' '.repeat(indent)}`)
    .replaceAll(NO_BREAK, ' ');
}

/** @param ahead columns by which the first line is wider, for it begins at the left */
function fill(words: readonly string[], width: number, taken: number, ahead = 0): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    const room = width - taken + (lines.length === 1 ? ahead : 0);
    if (line === undefined) lines.push(word);
    else if (line.trim() !== '' && lengthOf(line) + 1 + lengthOf(word) > room) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}

const lengthOf = (text: string) => stripVTControlCharacters(text).length;
const leadingSpaces = (line: string) => /^ */.exec(line)?.[0].length ?? 0;
const gap = (command: string) => (command.endsWith(' ') ? ' ' : '');
