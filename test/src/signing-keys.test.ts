import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSigningKeys } from '../../src/webhook/signing-keys.ts';
import { recordedLog } from './recorded-log.ts';
import { newSigningKey } from './signed-delivery.ts';

let dir: string;
let file: string;
let clock = 0;
const now = () => clock;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'signing-keys-'));
  file = join(dir, 'keys');
  clock = 1_000_000;
});
afterEach(() => rmSync(dir, { recursive: true }));

it('has the keys of the configuration, or none', async () => {
  const { log } = recordedLog();
  const key = newSigningKey();
  expect(await createSigningKeys({ keys: [key], log }).current()).toEqual([key]);
  expect(await createSigningKeys({ keys: [], file, log, now }).current()).toEqual([]);
});

it('reads a file that appears later, and follows its changes and its removal', async () => {
  const { log } = recordedLog();
  const [fixed, first, second] = [newSigningKey(), newSigningKey(), newSigningKey()];
  const keys = createSigningKeys({ keys: [fixed], file, log, now });
  expect(await keys.current()).toEqual([fixed]);

  writeFileSync(file, `# rotated on Monday\n\n${first}\n`);
  clock += 1_000;
  expect(await keys.current()).toEqual([fixed, first]);

  writeFileSync(file, `${second}\r\n${first}`);
  clock += 1_000;
  expect(await keys.current()).toEqual([fixed, second, first]);

  rmSync(file);
  clock += 1_000;
  expect(await keys.current()).toEqual([fixed]);
});

it('checks the file at most once a second', async () => {
  const { log } = recordedLog();
  const keys = createSigningKeys({ keys: [], file, log, now });
  await keys.current();
  writeFileSync(file, newSigningKey());
  clock += 999;
  expect(await keys.current()).toEqual([]);
  clock += 1;
  expect(await keys.current()).toHaveLength(1);
});

it('reports a malformed line by its number, never by its content', async () => {
  const { log, lines } = recordedLog();
  const key = newSigningKey();
  writeFileSync(file, `${key}\nwhsec_*half-a-secret\nANTHROPIC_WEBHOOK_SIGNING_KEY=${key}\n`);
  expect(await createSigningKeys({ keys: [], file, log, now }).current()).toEqual([key]);
  expect(lines().filter((line) => line.level === 40)).toMatchObject([{ line: 2 }, { line: 3 }]);
  expect(JSON.stringify(lines())).not.toContain('half-a-secret');
  expect(JSON.stringify(lines())).not.toContain(key);
});

it('keeps the keys while the file cannot be read', async () => {
  const { log } = recordedLog();
  const key = newSigningKey();
  writeFileSync(file, key);
  const keys = createSigningKeys({ keys: [], file, log, now });
  expect(await keys.current()).toEqual([key]);
  rmSync(file);
  // A directory in place of the file cannot be read, not even by root.
  mkdirSync(file);
  clock += 1_000;
  expect(await keys.current()).toEqual([key]);
});

it.each([
  ['a pipe that has no writer', (path: string) => execFileSync('mkfifo', [path])],
  ['a file of more than 64 KiB', (path: string) => writeFileSync(path, `${newSigningKey()}\n`.repeat(2_000))],
])('does not read %s', async (_what, make) => {
  const { log, lines } = recordedLog();
  make(file);
  expect(await createSigningKeys({ keys: [], file, log, now }).current()).toEqual([]);
  expect(JSON.stringify(lines())).toMatch(/is not a file|is larger than 64 KiB/);
});
