// What a process that runs the activities of a worker takes while its sandboxes attack it, one way and all ways at once.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { IMAGE_SETTINGS } from '../../harness/image-settings.ts';
import type { VictimReport } from './victim.ts';

const VICTIM = fileURLToPath(new URL('victim.ts', import.meta.url));
const LIMIT_MIB = 600;
/** On a machine with much memory Node and malloc give garbage back late. */
const ENV = { ...process.env, ...IMAGE_SETTINGS };

async function attacked(attacks: string[], sandboxes: number, forMs: number): Promise<VictimReport> {
  const args = [VICTIM, JSON.stringify({ attacks, sandboxes, forMs })];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: forMs + 60_000, env: ENV });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as VictimReport;
}

const ATTACKS = [
  'redirect-307',
  'huge',
  'values',
  'tiny-chunks',
  'gzip-bomb',
  'drip',
  'silent',
  'close',
  'headers',
  'information',
  'large',
  'not-json',
  'null',
  'wrong-types',
  'wrong-id',
  'running',
  'status-404',
];

it.each(ATTACKS)(
  'a sandbox that answers with %s costs memory and requests within bounds',
  async (attack) => {
    const { peakMiB, requests, ended } = await attacked([attack], 4, 5_000);
    console.log(`${attack}: ${peakMiB} MiB, ${requests} requests`, ended);
    expect(peakMiB).toBeLessThan(LIMIT_MIB);
    // Of four sandboxes with four activities each, in five seconds: never a retry without a pause.
    expect(requests).toBeLessThan(4 * 150);
    // None of them is taken for what it is not.
    expect(Object.keys(ended).filter((how) => /^call returned|^setup returned/.test(how))).toEqual([]);
  },
  90_000,
);

it('fifty hostile sandboxes at once share one budget', async () => {
  const { peakMiB, requests, ended } = await attacked(ATTACKS, 50, 20_000);
  console.log(`fifty: ${peakMiB} MiB, ${requests} requests`, ended);
  expect(peakMiB).toBeLessThan(LIMIT_MIB);
}, 120_000);

it('fifty sandboxes that pour out as much as they can share one budget', async () => {
  const { peakMiB, requests, ended } = await attacked(['huge', 'values', 'tiny-chunks', 'large'], 50, 20_000);
  console.log(`fifty that pour: ${peakMiB} MiB, ${requests} requests`, ended);
  expect(peakMiB).toBeLessThan(LIMIT_MIB);
}, 120_000);
