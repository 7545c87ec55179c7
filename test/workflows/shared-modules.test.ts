// All workflows of a worker share the modules of the bundle, which keeps a cached session small. So no module may keep
// the state of a workflow outside of its functions: another workflow would see it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const modules = readdirSync(projectPath('workflows'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, source: readFileSync(projectPath(join('workflows', path)), 'utf8') }));

/** What a module declares outside of its functions that could change. */
function changeable(source: string): string[] {
  const variables = [...source.matchAll(/^(?:export )?(?:let|var) .*$/gm)].map(([line]) => line);
  const collections = [
    ...source.matchAll(/^(?:export )?const (\w+)\b.*= new (?:Map|Set|WeakMap|WeakSet|Array)\b/gm),
  ];
  const changed = collections.filter(([, name]) =>
    new RegExp(`\\b${name}\\.(?:add|set|delete|clear|push)\\(`).test(source),
  );
  return [...variables, ...changed.map(([line]) => line)];
}

it('no module of the workflows keeps state of its own', () => {
  expect(modules.length).toBeGreaterThan(40);
  const found = modules.flatMap(({ path, source }) => changeable(source).map((line) => `${path}: ${line}`));
  expect(found).toEqual([]);
  expect(changeable('let count = 0;')).toHaveLength(1);
  expect(
    changeable('const seen = new Set<string>();\nexport const see = (id) => seen.add(id);'),
  ).toHaveLength(1);
});

it.each(['workflows.js', 'workflows-encrypted.js'])('%s loads our modules once for all workflows', (file) => {
  const bundle = readFileSync(projectPath(join('bundles', file)), 'utf8');
  const preload = /function preloadModules\(\) \{(.*?)\n\}/s.exec(bundle)?.[1] ?? '';
  for (const path of ['index', 'payload-converter', 'hand-out-status'])
    expect(preload).toContain(`/workflows/${path}.ts`);
});
