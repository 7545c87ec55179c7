// Breaks long lines for a terminal: between words, never within a command to copy.
import { stripVTControlCharacters } from 'node:util';

/** Wider than this, what precedes the text is no title that the lines below stand under. */
const MOST_INDENT = 16;
const NO_BREAK = '\u00a0';
/** From the program's name to the next punctuation or word of the sentence. */
const COMMAND = /(?:npm run router --|(?:npx )?managed-agents-router)(?: (?!or\b|and\b|then\b)[^\s,;:()]+)+/g;

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
  const title = /^ *(?:\S+(?: \S+)* {2,})?/;
  const visible = title.exec(stripVTControlCharacters(line))?.[0].length ?? 0;
  const isTitle = visible > 0 && visible <= MOST_INDENT;
  const start = isTitle ? (title.exec(line)?.[0] ?? '') : '';
  const indent = isTitle ? visible : 0;
  const words = line
    .slice(start.length)
    .replace(COMMAND, (command) => command.replaceAll(' ', NO_BREAK))
    .split(' ');
  return (
    start +
    fill(words, width, indent)
      .join(`\n${' '.repeat(indent)}`)
      .replaceAll(NO_BREAK, ' ')
  );
}

/** @param indent columns that are taken on each line */
function fill(words: readonly string[], width: number, indent: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    const isFull = line !== undefined && indent + lengthOf(line) + 1 + lengthOf(word) > width;
    if (line === undefined || (isFull && lengthOf(line.trim()) > 0)) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

const lengthOf = (text: string) => stripVTControlCharacters(text).length;
