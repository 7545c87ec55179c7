// Every test that the tables of docs/guarantees.md name must exist.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const PATH = projectPath('docs/guarantees.md');
const doc = readFileSync(PATH, 'utf8');

const files = [...new Set([...doc.matchAll(/\]\((\.\.\/test\/[^)]+)\)/g)].map(([, path]) => path ?? ''))];
const sources = files.map((path) => readFileSync(join(dirname(PATH), path), 'utf8')).join('\n');

/** Cells of the tables, by the heading of their column. */
function column(heading: string): string[] {
  let at = -1;
  const cells: string[] = [];
  for (const line of doc.split('\n')) {
    if (!line.startsWith('|')) at = -1;
    else {
      const row = line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim());
      if (row.includes(heading)) at = row.indexOf(heading);
      else if (at >= 0 && !line.startsWith('| ---')) cells.push(row[at] ?? '');
    }
  }
  return cells.flatMap((cell) => cell.split(' · ')).map((title) => title.replaceAll('`', ''));
}

const isTitle = (title: string) => [`'${title}'`, `"${title}"`].some((quoted) => sources.includes(quoted));

it.each(['it dies when', 'test'])(
  'every test named in the column "%s" is in a file that is named',
  (heading) => {
    const titles = column(heading);
    expect(titles.length).toBeGreaterThan(15);
    expect(titles.filter((title) => !isTitle(title))).toEqual([]);
  },
);
