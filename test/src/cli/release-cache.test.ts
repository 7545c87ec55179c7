// The cache of packed releases does not grow: an archive has about 90 MB.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeOld } from '../../../src/cli/deploy-e2b/release.ts';

const HOUR = 3_600_000;

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'release-cache-'));
});
afterEach(() => rmSync(cache, { recursive: true }));

function add(name: string, hoursAgo: number, isFolder = false): void {
  const path = join(cache, name);
  if (isFolder) mkdirSync(path);
  else writeFileSync(path, '');
  const time = new Date(Date.now() - hoursAgo * HOUR);
  utimesSync(path, time, time);
}

it('keeps the newest two archives, however new the others are, and what another process packs', async () => {
  // In this order, so that neither names nor the order of creation decide.
  add('release-0.1.0-b.tar.gz', 3);
  add('release-0.1.0-d.tar.gz', 1);
  add('release-0.1.0-a.tar.gz', 4);
  add('release-0.1.0-c.tar.gz', 2);
  add('pack-now', 1, true);
  add('pack-left-behind', 25, true);
  add('bin', 1_000, true);
  await removeOld(cache);
  expect(readdirSync(cache).sort()).toEqual([
    'bin',
    'pack-now',
    'release-0.1.0-c.tar.gz',
    'release-0.1.0-d.tar.gz',
  ]);
});

it('keeps two archives for ever', async () => {
  add('release-0.1.0-a.tar.gz', 1_000);
  add('release-0.1.0-b.tar.gz', 2_000);
  await removeOld(cache);
  expect(readdirSync(cache)).toHaveLength(2);
});
