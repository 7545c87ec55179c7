// Rows as Markdown, each printed as soon as it is measured: what a run that is cut short has found is not lost.
import type { Row } from './curve.ts';
import type { Machine } from './machine.ts';

export function printHead({ at, cpu, cores, memoryGiB, kernel, node, load }: Machine): void {
  const machine = `${cores} × ${cpu}, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`;
  process.stdout.write(`${at}, ${machine}, load before ${load}\n\n`);
}

export function printRow(row: Row, first: boolean): void {
  const lines = [Object.values(row).map(formatted)];
  if (first)
    lines.unshift(
      Object.keys(row),
      Object.keys(row).map(() => '---'),
    );
  for (const cells of lines) process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

/** Three digits at least, and no more after the point than that takes. */
function formatted(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Number.isInteger(value) || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
