// What the toolhost keeps: ids for ever, results for a while, and journal and log within their limits.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CallResult, textResult } from '../../toolhost/call.ts';
import { Calls } from '../../toolhost/calls.ts';
import { Journal } from '../../toolhost/journal.ts';
import { openLog } from '../../toolhost/log.ts';

const REWRITE_AFTER = 20_000;
const KEPT = 10;

let dir: string;
let ran: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'journal-'));
  ran = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const request = { name: 'bash', input: {}, timeoutMs: 1_000 };
const forever = new AbortController().signal;

function open(keptBytes = 1_000_000): { calls: Calls; journal: Journal } {
  const journal = new Journal(join(dir, 'state'), { rewriteAfter: REWRITE_AFTER });
  const toolbox = {
    async run(id: string): Promise<CallResult> {
      ran.push(id);
      return textResult(`result of ${id}${id.startsWith('large') ? 'x'.repeat(1_000) : ''}`, false);
    },
    close() {},
  };
  const calls = new Calls({
    journal,
    toolboxOf: () => toolbox,
    endShells: () => {},
    killSession: () => 0,
    killCutOff: () => 0,
    log: () => {},
    bootId: 'b',
    keptResults: KEPT,
    keptBytes,
  });
  return { calls, journal };
}

async function run(calls: Calls, id: string): Promise<string | undefined> {
  calls.start(id, request);
  await calls.untilEnded(id, 10_000, forever);
  const [first] = calls.get(id)?.result?.content ?? [];
  return first?.type === 'text' ? first.text : undefined;
}

test('every id is remembered, only the latest results are kept, and the file stays small', async () => {
  let { calls } = open();
  for (let i = 0; i < 1_000; i += 1) {
    expect(await run(calls, `call_${i}`)).toBe(`result of call_${i}`);
    expect(statSync(join(dir, 'state/calls.jsonl')).size).toBeLessThan(i * 260 + 2 * REWRITE_AFTER);
  }
  for (const again of [false, true]) {
    if (again) ({ calls } = open());
    expect(await run(calls, 'call_999')).toBe('result of call_999');
    expect(await run(calls, `call_${1_000 - KEPT}`)).toBe(`result of call_${1_000 - KEPT}`);
    expect(await run(calls, `call_${1_000 - KEPT - 1}`)).toContain('no longer kept');
    expect(await run(calls, 'call_0')).toContain('no longer kept');
  }
  expect(ran).toHaveLength(1_000);
  expect(readdirSync(join(dir, 'state')).sort()).toEqual(['calls.jsonl', 'reserve']);
});

test('kept results are limited in bytes: the oldest are dropped first, the latest never', async () => {
  let { calls } = open(2_500);
  expect(await run(calls, 'small')).toBe('result of small');
  for (const id of ['large_1', 'large_2', 'large_3']) expect(await run(calls, id)).toContain('xxx');
  for (const again of [false, true]) {
    if (again) ({ calls } = open(2_500));
    for (const id of ['small', 'large_1']) expect(await run(calls, id)).toContain('no longer kept');
    for (const id of ['large_2', 'large_3']) expect(await run(calls, id)).toContain('xxx');
  }
  ({ calls } = open(10));
  expect(await run(calls, 'large_2')).toContain('no longer kept');
  expect(await run(calls, 'large_3')).toContain('xxx');
});

test('a call that cannot be recorded does not run', async () => {
  const { calls, journal } = open();
  journal.close();
  expect(await run(calls, 'unrecorded')).toContain('Not run, because it could not be recorded');
  expect(ran).toEqual([]);
});

test('a full log file is rotated', () => {
  const file = join(dir, 'log/worker.log');
  const log = openLog(file, 1_000);
  for (let i = 0; i < 100; i += 1) log('event', { i });
  expect(statSync(file).size).toBeLessThan(1_200);
  expect(statSync(`${file}.1`).size).toBeLessThan(1_200);
  expect(readFileSync(file, 'utf8')).toContain('"i":99');
});
