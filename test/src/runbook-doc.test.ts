// docs/runbook.md has an entry for every cause of attention, every refusal of the webhook server and every error of a start,
// and each entry's command is executed by a test.
import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';
import { CAUSES } from '../../workflows/attention.ts';
import { RUNBOOK, runbookEntries } from '../runbook.ts';

const entries = runbookEntries();
const anchorsOf = (section: string) =>
  entries.filter((entry) => entry.section === section).flatMap(({ anchors }) => anchors);
const sources = (...patterns: string[]) =>
  patterns
    .flatMap((pattern) => globSync(projectPath(pattern)))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

it('every entry has symptom, command, what the command says, cause and cure, under a name of its own', () => {
  for (const { anchors, command, promises, symptom, cause, cure } of entries) {
    expect(command, anchors[0]).toMatch(/^(managed-agents-router|curl -s|temporal) /);
    expect(promises.join(''), anchors[0]).toMatch(/\S/);
    for (const cell of [symptom, cause, cure]) expect(cell, anchors[0]).toMatch(/\w/);
  }
  const all = entries.flatMap(({ anchors }) => anchors);
  expect(new Set(all).size).toBe(all.length);
  // What is not parsed as an entry would be executed by no test.
  const rows = readFileSync(RUNBOOK, 'utf8').match(/^\| (?!symptom|---)/gm) ?? [];
  expect(rows).toHaveLength(entries.length);
});

it('every cause of attention has an entry, and no other has', () => {
  expect(anchorsOf('Sessions that need a person').sort()).toEqual([...CAUSES].sort());
});

it('every refusal of the webhook server has an entry, and no other has', () => {
  const code = sources('src/webhook/*.ts');
  const codes = [...code.matchAll(/new Refusal\(\s*\w+,\s*'(\w+)'|errorBody\('(\w+)'/g)].map(
    ([, refusal, body]) => refusal ?? body,
  );
  expect(anchorsOf('Webhooks that are refused').sort()).toEqual([...new Set(codes)].sort());
});

it('every error with which a start fails has an entry that quotes it', () => {
  const code = sources(
    'src/serve.ts',
    'src/config/file.ts',
    'src/embedded-temporal/{data-folder,start}.ts',
    'src/native-connection.ts',
    'src/outputs/open-store.ts',
    'src/payload-codec/key-ring.ts',
    'src/codec-server/*.ts',
  );
  const thrown = [...code.matchAll(/new (?:\w*Error)\(\s*\[?\s*(`[^`]+`|'[^']+'|"[^"]+")/g)];
  const explained = sources('src/clients/temporal.ts').matchAll(/return (`Temporal[^`]+`)/g);
  const messages = [...thrown, ...explained].map(([, text]) => (text as string).slice(1, -1));
  expect(messages.length).toBeGreaterThan(12);
  const symptoms = entries
    .filter(({ section }) => section === 'The router does not start')
    .flatMap(({ symptom }) => [...symptom.matchAll(/`([^`]+)`/g)].map(([, quote]) => quote as string));
  const quoted = (message: string) =>
    symptoms.some((quote) => quote.split('…').every((part) => message.includes(part.trim())));
  expect(messages.filter((message) => !quoted(message))).toEqual([]);
});

/** Entries whose command no test of the runbook executes yet. Shorten this list, never lengthen it. */
const UNPROVEN = ['ca-certificates', 's3-packages', 'stuck'];

it("every entry's command is executed by a test that produces the symptom", () => {
  const tests = sources('test/integration/runbook*.test.ts');
  const names = entries.map(({ anchors }) => anchors[0] as string);
  const isExecuted = (name: string) => new RegExp(`\\Wentry\\('${name}'|\\['${name}',`).test(tests);
  expect(names.filter((name) => !isExecuted(name)).sort()).toEqual(UNPROVEN);
});
