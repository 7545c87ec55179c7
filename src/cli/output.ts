// What commands print: tables and sentences for people, JSON for scripts. Text from sessions is untrusted.
import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import { fitToWidth } from './wrap.ts';

/** Columns where the terminal does not say how wide it is. */
const DEFAULT_WIDTH = 80;
/** Narrowest column that a wide table is squeezed into. */
const MIN_COLUMN = 8;
const GAP = 2;

type Color = Parameters<typeof styleText>[0];

/** One column of a table. */
export interface Column<Row> {
  title: string;
  /** Text of the cell; empty where nothing is known. */
  of(row: Row): string;
  color?(row: Row): Color | undefined;
  /** Never cut: an id that people copy. */
  whole?: boolean;
}

/** The streams are parameters for tests. */
export class Output {
  readonly json: boolean;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;

  constructor(
    json: boolean,
    out: NodeJS.WriteStream = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
  ) {
    this.json = json;
    this.#out = out;
    this.#err = err;
  }

  /** Whether a person can answer questions: both streams are a terminal, and `--json` was not given. */
  get interactive(): boolean {
    return !this.json && process.stdin.isTTY === true && this.#out.isTTY === true;
  }

  get width(): number {
    return this.#out.columns || DEFAULT_WIDTH;
  }

  /**
   * Prints the answer of a command.
   * @param value printed as JSON
   * @param text printed for people, without the last line break
   */
  result(value: unknown, text: () => string): void {
    this.#out.write(
      `${this.json ? JSON.stringify(value, null, this.#out.isTTY ? 2 : undefined) : this.#fitted(text())}\n`,
    );
  }

  /** Prints one of many answers: one line for each, with `--json` too. */
  line(value: unknown, text: () => string): void {
    this.#out.write(`${this.json ? JSON.stringify(value) : this.#fitted(text())}\n`);
  }

  /** Says on standard error what goes on; also where `--json` is given. */
  progress(line: string): void {
    this.#err.write(`${fitted(clean(line), this.#err)}\n`);
  }

  /** Long lines are broken on a terminal only: a file or another program gets them whole. */
  #fitted(text: string): string {
    return fitted(text, this.#out);
  }

  /** Colours where the terminal shows them; NO_COLOR and FORCE_COLOR are honoured. */
  style(color: Color, text: string): string {
    return styleText(color, text, { stream: this.#out });
  }

  /** @returns a table without borders that fits the terminal; cells that are too long are cut with `…` */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
    const cells = rows.map((row) => columns.map((column) => oneLine(column.of(row))));
    const wanted = columns.map(({ title }, index) =>
      Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)),
    );
    const widths = narrow(
      wanted,
      columns.map(({ whole }) => whole === true),
      this.width - GAP * (columns.length - 1),
    );
    const table = new Table({
      head: columns.map(({ title }) => this.style('bold', title)),
      colWidths: widths.map((width, index) => width + (index < widths.length - 1 ? GAP : 0)),
      chars: NO_BORDERS,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    });
    rows.forEach((row, at) => {
      table.push(
        columns.map((column, index) => {
          const text = cut(cells[at]?.[index] ?? '', widths[index] ?? MIN_COLUMN);
          const color = column.color?.(row);
          return color ? this.style(color, text) : text;
        }),
      );
    });
    return table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n');
  }
}

/** @returns the text as it fits the terminal; unchanged where the stream is none */
export function fitted(text: string, stream: NodeJS.WriteStream): string {
  return stream.isTTY ? fitToWidth(text, stream.columns || DEFAULT_WIDTH) : text;
}

const NO_BORDERS = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map((place) => [place, '']),
);

/**
 * Text from outside as it may be printed: without escape sequences and control characters, which could move the
 * cursor, change the window's title or hide what follows.
 */
export function clean(text: string): string {
  // Line breaks and tabs stay.
  return stripVTControlCharacters(text).replace(/[^\P{C}\n\t]/gu, '');
}

/** The same on one line. */
export function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

/** @returns the text, cut to `length` characters */
export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, Math.max(0, length - 1))}…` : text;
}

/** Makes the widest columns narrower until all fit, except those that stay whole. */
function narrow(wanted: readonly number[], whole: readonly boolean[], available: number): number[] {
  const widths = [...wanted];
  const total = () => widths.reduce((sum, width) => sum + width, 0);
  while (total() > available) {
    const widest = widths.reduce(
      (best, width, index) => (!whole[index] && width > (widths[best] ?? 0) ? index : best),
      -1,
    );
    if ((widths[widest] ?? 0) <= MIN_COLUMN) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
