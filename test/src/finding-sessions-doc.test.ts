// docs/finding-sessions.md names every search attribute with its type, and every cause of attention.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { NAMED_SEARCH_ATTRIBUTES } from '../../src/clients/search-attributes.ts';
import { projectPath } from '../../src/paths.ts';
import { CAUSES } from '../../workflows/attention.ts';

const text = readFileSync(projectPath('docs/finding-sessions.md'), 'utf8');
const [attributes = '', ...rest] = text.split('\n## ');
const causes = rest.find((part) => part.startsWith('Causes')) ?? '';

it('names the search attributes with their types', () => {
  const named = [...attributes.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name}=${type}`,
  );
  expect(named.sort()).toEqual([...NAMED_SEARCH_ATTRIBUTES].sort());
});

it('names the causes of attention, each once', () => {
  const cells = [...causes.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, cause]) => cause));
  expect(named.sort()).toEqual([...CAUSES].sort());
});
