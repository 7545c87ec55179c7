// Unpacking archives: every format, members that are refused or left out, and the limits.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Limits, unpack } from '../../toolhost/archive.ts';
import { tar, zip } from './archives.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'archive-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const into = () => join(dir, 'into');
function unpacked(archive: Uint8Array, limits: Limits = { members: 20, bytes: 100_000 }) {
  writeFileSync(join(dir, 'archive'), archive);
  mkdirSync(into());
  return unpack(join(dir, 'archive'), into(), limits);
}

const FORMATS: [string, string | undefined][] = [
  ['plain', undefined],
  ['gzip', 'gzip'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
  ['zstd', 'zstd'],
];

test.each(FORMATS)('a tar: %s', async (name, command) => {
  if (command && spawnSync(command, ['--version']).error) return;
  const archive = tar(
    { path: './t/', type: 'Directory', mode: 0o777 },
    { path: './t/SKILL.md', text: name },
    { path: './t/run', text: 'x', mode: 0o4711 },
    { path: './t/hard', type: 'Link', linkpath: 't/SKILL.md' },
    { path: './t/soft', type: 'SymbolicLink', linkpath: '/etc' },
    { path: './t/pipe', type: 'FIFO' },
  );
  const compressed = command ? execFileSync(command, ['-c'], { input: archive }) : archive;
  expect(await unpacked(compressed)).toEqual({ files: 2, bytes: name.length + 1, wrapper: 't' });
  expect(readFileSync(join(into(), 't/SKILL.md'), 'utf8')).toBe(name);
  expect(statSync(join(into(), 't/run')).mode & 0o7777).toBe(0o755);
  expect(readdirSync(join(into(), 't')).sort()).toEqual(['SKILL.md', 'run']);
});

test('a large tar is unpacked completely', async () => {
  const text = 'x'.repeat(3_000_000);
  const archive = gzipSync(tar({ path: 'a', text }, { path: 'b', text }, { path: 'c/d', text }));
  const limits = { members: 10, bytes: 10_000_000 };
  expect(await unpacked(archive, limits)).toEqual({ files: 3, bytes: 9_000_000, wrapper: '' });
  expect(readFileSync(join(into(), 'c/d'), 'utf8')).toBe(text);
});

const HOSTILE: [string, Uint8Array, RegExp][] = [
  ['a zip that climbs out', zip({ 'a/../../out': 'x' }), /invalid relative path|leads outside/],
  ['a zip with an absolute path', zip({ '/etc/cron.d/x': 'x' }), /absolute path/],
  ['a zip with a Windows path', zip({ 'a\\..\\..\\out': 'x' }), /invalid relative path|leads outside/],
  ['a tar that climbs out', tar({ path: '../out', text: 'x' }), /leads outside/],
  ['a tar with an absolute path', tar({ path: '/etc/out', text: 'x' }), /absolute path/],
  ['a link that climbs out', tar({ path: '../l', type: 'SymbolicLink', linkpath: '/' }), /leads outside/],
  ['a tar with a file twice', tar({ path: 'a', text: '1' }, { path: './a', text: '2' }), /"a" appears twice/],
  [
    'a file that is a directory',
    tar({ path: 'a', text: '1' }, { path: 'a/b', text: '2' }),
    /both a file and/,
  ],
  [
    'a directory that is a file',
    tar({ path: 'a/b', text: '1' }, { path: 'a', text: '2' }),
    /both a file and/,
  ],
  ['a name that is too long', zip({ [`${'x'.repeat(300)}.md`]: 'x' }), /too long/],
  ['names that are not UTF-8', notUtf8(), /not UTF-8/],
  ['links only', tar({ path: 'a', type: 'SymbolicLink', linkpath: 'b' }), /holds no file/],
  ['nothing', new Uint8Array(0), /neither a zip nor a tar|cannot be read/],
  ['a text', Buffer.from('not an archive '.repeat(100)), /cannot be read|neither/],
  ['half a zip', zip({ 'SKILL.md': 'x'.repeat(1000) }).subarray(0, 80), /cannot be read/],
  ['half a tar', gzipSync(tar({ path: 'a', text: 'x'.repeat(9000) })).subarray(0, 60), /cannot be read/],
  ['a zip with damaged content', damaged(), /is damaged|cannot be read/],
  ['a zip bomb', zip({ bomb: { bytes: new Uint8Array(200_000) } }), /unpacks to more than/],
  [
    'too many members',
    tar(...Array.from({ length: 10_001 }, (_, i) => ({ path: `f${i}` }))),
    /more than 20 members/,
  ],
];

test.each(HOSTILE)('refused: %s', async (_, archive, reason) => {
  await expect(unpacked(archive)).rejects.toThrow(reason);
  expect(existsSync(join(dir, 'out'))).toBe(false);
});

/** A zip with a name that claims to be UTF-8 but is not. */
function notUtf8(): Buffer {
  const archive = zip({ 'nämé.md': 'x' });
  for (let at = archive.indexOf('nämé.md'); at >= 0; at = archive.indexOf('nämé.md', at + 1))
    archive[at + 1] = 0xff;
  return archive;
}

function damaged(): Buffer {
  const archive = zip({ 'SKILL.md': 'some text that is compressed, some text that is compressed' });
  archive.fill(0x55, 40, 50);
  return archive;
}
