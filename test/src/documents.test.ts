// What the documents point at exists: paths, links with their anchors, npm scripts, signals, names in linked files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const ROOT = projectPath('');
const NOT_OURS = new Set(['node_modules', 'dist', 'bundles']);
const FOLDERS =
  'activities|bench|chaos|demo|deploy|docs|examples|harness|scripts|simulators|src|template|test|toolhost|workflows';
const messages = readFileSync(projectPath('workflows/messages.ts'), 'utf8');
const { scripts } = JSON.parse(readFileSync(projectPath('package.json'), 'utf8'));

function documents(folder = ROOT): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return entry.name.endsWith('.md') ? [path] : [];
    return NOT_OURS.has(entry.name) || entry.name.startsWith('.') ? [] : documents(path);
  });
}

/** The anchors of a document's headings, as GitHub makes them, and those that it sets itself. */
function anchorsOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return [...headings, ...[...prose.matchAll(/<a id="([^"]+)">/g)].map(([, anchor = '']) => anchor)];
}

/** @returns what a document names and what does not exist */
function broken(path: string, text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const missing: string[] = [];
  for (const [, link = '', name] of prose.matchAll(/\]\(([^)\s]+)\)(?:: `([\w.]+)`)?/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [file = '', anchor] = link.split('#');
    const target = file ? join(dirname(path), file) : path;
    if (!existsSync(target)) missing.push(link);
    else if (anchor && !anchorsOf(target === path ? text : readFileSync(target, 'utf8')).includes(anchor))
      missing.push(link);
    else if (name && !new RegExp(`\\b${name}\\b`).test(readFileSync(target, 'utf8')))
      missing.push(`${name} in ${link}`);
  }
  for (const [, script = ''] of text.matchAll(/npm run (?:--silent )?([\w:]+)/g))
    if (!(script in scripts)) missing.push(`npm run ${script}`);
  for (const [, signal = ''] of text.matchAll(/--name (\w+)/g))
    if (!messages.includes(`('${signal}')`)) missing.push(`signal ${signal}`);
  // That document names files of other repositories.
  if (path === projectPath('docs/foreign-programs.md')) return missing;
  // A path starts at the root, or at the folder of the package that the document belongs to.
  const bases = [ROOT, path.startsWith(projectPath('simulators/')) ? projectPath('simulators') : ROOT];
  for (const [, named = ''] of text.matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./-]*)\``, 'g')))
    if (!bases.some((base) => existsSync(join(base, named)))) missing.push(named);
  return missing;
}

describe('the documents', () => {
  it.each(documents().map((path) => [relative(ROOT, path)]))(
    '%s names nothing that does not exist',
    (name) => {
      const path = projectPath(name);
      expect(broken(path, readFileSync(path, 'utf8'))).toEqual([]);
    },
  );

  it('are each in the index once', () => {
    const index = readFileSync(projectPath('docs/README.md'), 'utf8');
    const own = readdirSync(projectPath('docs')).filter(
      (name) => name.endsWith('.md') && name !== 'README.md',
    );
    expect(own.filter((name) => index.split(`](${name})`).length !== 2)).toEqual([]);
  });

  it('include a README of at most 150 lines', () => {
    expect(readFileSync(projectPath('README.md'), 'utf8').split('\n').length).toBeLessThanOrEqual(151);
  });

  it('answer each question of ARCHITECTURE.md with at most two files', () => {
    const [, table = ''] = readFileSync(projectPath('ARCHITECTURE.md'), 'utf8').split('## Where do I find');
    const rows = (table.split('\n## ')[0] ?? '').split('\n').filter((line) => /^\|.*\]\(/.test(line));
    expect(rows.length).toBeGreaterThanOrEqual(10);
    for (const row of rows) expect(row.match(/\]\(/g)?.length, row).toBeLessThanOrEqual(2);
  });
});

it.each([
  ['a link', '[x](docs/none.md)', 'docs/none.md'],
  ['an anchor', '[x](docs/guarantees.md#nothing)', 'docs/guarantees.md#nothing'],
  ['an anchor of its own', '# A\n\n[x](#b)', '#b'],
  ['a name in a file', '[x](src/log.ts): `createLoggers`', 'createLoggers in src/log.ts'],
  ['a path', 'see `workflows/none.ts`', 'workflows/none.ts'],
  ['a script', 'run `npm run nothing`', 'npm run nothing'],
  ['a signal', 'temporal workflow signal --name nothing', 'signal nothing'],
])('%s that leads nowhere is found', (_what, text, found) => {
  expect(broken(projectPath('README.md'), text)).toEqual([found]);
});

it('a link, an anchor, a name, a path and a script that exist are not', () => {
  const text =
    '# Over all: `x`, y\n[a](#over-all-x-y) [b](docs/chaos.md#recovery-times) [c](src/log.ts): `createLogger` `src/` npm run demo';
  expect(broken(projectPath('README.md'), text)).toEqual([]);
});
