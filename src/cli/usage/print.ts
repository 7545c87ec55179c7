// The figures as a table for people, and as CSV for spreadsheets.
import { type Column, clean, type Output, oneLine } from '../output.ts';
import { duration } from '../times.ts';
import { type Group, MEASURES, type Measure, type Row } from './rows.ts';
import type { Source } from './source.ts';

const UNKNOWN_ID = '(unknown)';

export function asTable(output: Output, rows: readonly Row[], by: Group): string {
  if (rows.length === 0) return 'No sessions in this time.';
  const column = (title: string, measure: Measure, show: (value: number) => string): Column<Row> => ({
    title,
    of: (row) => shown(row, measure, show),
  });
  const any = (measure: Measure) => rows.some((row) => row[measure] !== null);
  return output.table(rows, [
    { title: by.toUpperCase(), whole: true, of: ({ id }) => id || UNKNOWN_ID },
    ...(by === 'session' ? [] : [{ title: 'SESSIONS', of: ({ sessions }: Row) => String(sessions) }]),
    column('TURNS', 'turns', String),
    column('CALLS', 'calls', String),
    column('SANDBOX', 'sandboxSeconds', (seconds) => duration(seconds * 1000)),
    ...(any('sandboxCost') ? [column('COST', 'sandboxCost', (cost) => cost.toFixed(4))] : []),
    column('OUTPUTS', 'outputsBytes', bytes),
    column('IN', 'inputTokens', short),
    column('OUT', 'outputTokens', short),
    ...(any('listCostUsd') ? [column('LIST $', 'listCostUsd', (cost) => cost.toFixed(2))] : []),
  ]);
}

function shown(row: Row, measure: Measure, show: (value: number) => string): string {
  const value = row[measure];
  if (value === null) return '?';
  return `${row.atLeast.includes(measure) ? '≥' : ''}${show(value)}`;
}

/** What each source covers, and what is missing. */
export function sourceLines(sources: readonly Source[]): string[] {
  return sources.flatMap(({ name, reach, missing }) => [
    `${name}: ${reach}.`,
    ...missing.map((what) => `  missing: ${what}`),
  ]);
}

/** Unknown figures are empty cells; `at_least` names those of which only a part is known. */
export function asCsv(rows: readonly Row[], by: Group): string {
  const header = [by, 'sessions', 'running', ...MEASURES.map(snake), 'at_least'];
  const lines = rows.map((row) => [
    textCell(row.id),
    String(row.sessions),
    String(row.running ?? ''),
    ...MEASURES.map((measure) => (row[measure] === null ? '' : plain(row[measure]))),
    row.atLeast.map(snake).join(' '),
  ]);
  return [header, ...lines].map((cells) => cells.join(',')).join('\n');
}

/** Spreadsheets run a text that begins like a formula: an apostrophe makes it a text. */
function textCell(text: string): string {
  const safe = oneLine(clean(text)).replace(/^(?=[=+\-@])/, "'");
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Without an exponent, and without the noise of binary fractions. */
function plain(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(6).replace(/0+$/, '').replace(/\.$/, '');
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function short(count: number): string {
  if (count < 10_000) return String(count);
  return count < 1e6 ? `${Math.round(count / 1e3)}k` : `${(count / 1e6).toFixed(1)}M`;
}

function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  return count < 1024 ** 2 ? `${Math.round(count / 1024)} KiB` : `${(count / 1024 ** 2).toFixed(1)} MiB`;
}
