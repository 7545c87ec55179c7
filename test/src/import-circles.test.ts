// No circle among files and none among folders, type-only imports included: a circle can only be understood as a whole.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const ROOMS = [
  'src',
  'workflows',
  'activities',
  'toolhost',
  'template',
  'simulators',
  'harness',
  'demo',
  'bench',
  'chaos',
];

/** Parts of `src/` that other folders stand on; anything else belongs to the top folder that it lies in. */
const FLOORS: [path: RegExp, floor: string][] = [
  [/^src\/clients\//, 'src/clients'],
  [
    /^src\/(config|outputs|payload-codec)\/|^src\/(config|log|failpoints|paths|program-name|version|metrics\/(metrics|recent)|traces\/spans)\.ts$/,
    'src/config',
  ],
];

type Graph = Map<string, Set<string>>;

it.each([
  ['files', importsOf(sources())],
  ['folders', byFloor(importsOf(sources()))],
] as const)('no circle among %s', (_what, graph) => {
  expect(circles(graph)).toEqual([]);
});

it('finds a circle over type-only imports, exports and dynamic imports', () => {
  const graph = importsOf([
    ['src/a.ts', "import type { B } from './b.ts';\n"],
    ['src/b.ts', "export {\n  c,\n} from '../workflows/c.ts';\n"],
    ['workflows/c.ts', "const a = await import('../src/a.ts');\n"],
    ['workflows/d.ts', "import './c.ts';\nimport { join } from 'node:path';\n"],
  ]);
  expect(circles(graph)).toEqual([['src/a.ts', 'src/b.ts', 'workflows/c.ts']]);
  expect(circles(byFloor(graph))).toEqual([['src', 'workflows']]);
  expect(
    circles(
      importsOf([
        ['src/a.ts', "import './b.ts';\n"],
        ['src/b.ts', ''],
      ]),
    ),
  ).toEqual([]);
});

function sources(): [path: string, text: string][] {
  return ROOMS.flatMap((room) =>
    readdirSync(projectPath(room), { recursive: true, withFileTypes: true })
      .map((entry) => relative(projectPath(''), join(entry.parentPath, entry.name)))
      .filter((path) => path.endsWith('.ts') && !/(^|\/)(node_modules|dist|\.cache|test)\//.test(path))
      .map((path): [string, string] => [path, readFileSync(projectPath(path), 'utf8')]),
  );
}

function importsOf(files: [path: string, text: string][]): Graph {
  return new Map(
    files.map(([path, text]) => {
      const statements = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g);
      return [path, new Set([...statements].map(([, to]) => normalize(join(dirname(path), to ?? ''))))];
    }),
  );
}

function byFloor(files: Graph): Graph {
  const floorOf = (path: string) =>
    FLOORS.find(([pattern]) => pattern.test(path))?.[1] ?? path.slice(0, path.indexOf('/'));
  const floors: Graph = new Map();
  for (const [from, all] of files) {
    const floor = floorOf(from);
    const others = [...all].map(floorOf).filter((other) => other !== floor);
    floors.set(floor, new Set([...(floors.get(floor) ?? []), ...others]));
  }
  return floors;
}

/** Groups of more than one in which each reaches every other. */
function circles(graph: Graph): string[][] {
  const reached = new Map([...graph.keys()].map((from) => [from, reachable(graph, from)]));
  const groups = [...graph.keys()].map((from) =>
    [...(reached.get(from) ?? [])].filter((to) => reached.get(to)?.has(from)).sort(),
  );
  const distinct = new Map(groups.filter((group) => group.length > 1).map((group) => [group.join(), group]));
  return [...distinct.values()];
}

/** All that can be reached by at least one import. */
function reachable(graph: Graph, from: string): Set<string> {
  const found = new Set<string>();
  const next = [...(graph.get(from) ?? [])];
  for (let to = next.pop(); to !== undefined; to = next.pop()) {
    if (found.has(to)) continue;
    found.add(to);
    next.push(...(graph.get(to) ?? []));
  }
  return found;
}
