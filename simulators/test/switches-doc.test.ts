import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { SWITCHES as ANTHROPIC } from '../anthropic/switches.ts';
import type { SwitchDefinition } from '../common/switches.ts';
import { SWITCHES as E2B } from '../e2b/switches.ts';

test.each([
  ['Managed Agents', ANTHROPIC],
  ['E2B', E2B],
])(
  'the documentation has every switch of the %s simulator, its default and its values',
  async (name, switches) => {
    const text = await readFile(new URL('../docs/switches.md', import.meta.url), 'utf8');
    const section = text.split(`## Switches of the ${name} simulator\n`)[1]?.split('\n## ')[0] ?? '';
    const rows = new Map(
      section
        .split('\n')
        .map((line) => line.split(' | '))
        .flatMap(([first, second, third]): [string, { default: string; words: string }][] => {
          const switchName = /^\| `([\w-]+)`$/.exec(first ?? '')?.[1];
          return switchName ? [[switchName, { default: second ?? '', words: third ?? '' }]] : [];
        }),
    );
    const definitions: Record<string, SwitchDefinition> = switches;
    expect([...rows.keys()]).toEqual(Object.keys(definitions));
    for (const [switchName, definition] of Object.entries(definitions)) {
      const row = rows.get(switchName);
      expect(row?.default).toBe(`\`${definition.default}\``);
      if (
        definition.values === 'integer' ||
        definition.values.join() === 'on,off' ||
        definition.values.join() === 'off,on'
      )
        continue;
      const missing = definition.values.filter((value) => !row?.words.includes(`\`${value}\``));
      // A switch with a default and one other value may describe the default in words.
      expect(missing.filter((value) => value !== definition.default)).toEqual([]);
    }
  },
);
