// Skill archives: what is installed, what is refused, and that a refusal changes nothing.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { tar, zip } from './archives.ts';
import { RunningToolhost } from './running-toolhost.ts';

const host = new RunningToolhost();

beforeAll(() => host.start());
afterAll(() => host.remove());
afterEach(() => {
  // No temporary file is left behind, whether or not the archive was installed.
  expect(readdirSync(skills()).filter((name) => name.startsWith('.'))).toEqual([]);
});

const skills = (...path: string[]) => join(host.workdir, 'skills', ...path);
const read = (...path: string[]) => readFileSync(skills(...path), 'utf8');
const put = (
  name: string,
  archive: Uint8Array | ReadableStream,
  version = 'skver_1',
  skill = `skill_${name}`,
) =>
  host.request('PUT', `/skills/${encodeURIComponent(name)}?skill_id=${skill}&version_id=${version}`, archive);
const installed = async () =>
  ((await host.request('GET', '/skills')).body as unknown as { skills: object[] }).skills;

test('a zip: the top directory is stripped, modes are normalised, links are left out', async () => {
  const archive = zip({
    'pdf/SKILL.md': { text: '# PDF', mode: 0o100600 },
    'pdf/scripts/run.sh': { text: '#!/bin/sh', mode: 0o104777 },
    'pdf/link': { text: '/etc/passwd', mode: 0o120777 },
    'pdf/empty/': '',
  });
  const { status, body } = await put('pdf', archive);
  expect({ status, body }).toMatchObject({ status: 200, body: { files: 2, name: 'pdf' } });
  expect(read('pdf/SKILL.md')).toBe('# PDF');
  expect(statSync(skills('pdf/SKILL.md')).mode & 0o7777).toBe(0o644);
  expect(statSync(skills('pdf/scripts/run.sh')).mode & 0o7777).toBe(0o755);
  expect(existsSync(skills('pdf/empty'))).toBe(true);
  expect(existsSync(skills('pdf/link'))).toBe(false);
  expect(await installed()).toContainEqual({ name: 'pdf', skillId: 'skill_pdf', versionId: 'skver_1' });
});

test('an archive with several top directories keeps them', async () => {
  await put('flat', zip({ 'SKILL.md': 'x', 'scripts/a.py': 'y' }));
  expect(read('flat/scripts/a.py')).toBe('y');
  await put('single', zip({ 'SKILL.md': 'only' }));
  expect(read('single/SKILL.md')).toBe('only');
});

test('another version replaces the directory, even if its name differs', async () => {
  await put('v', zip({ 'v/old.md': '1', 'v/SKILL.md': '1' }), 'skver_1', 'skill_v');
  writeFileSync(skills('v/scratch'), 'made by hand');
  await put('v', zip({ 'v/SKILL.md': '2' }), 'skver_2', 'skill_v');
  expect(readdirSync(skills('v')).sort()).toEqual(['.skill.json', 'SKILL.md']);
  await put('w', zip({ 'v/SKILL.md': '3' }), 'skver_3', 'skill_v');
  expect(existsSync(skills('v'))).toBe(false);
  expect(await installed()).toContainEqual({ name: 'w', skillId: 'skill_v', versionId: 'skver_3' });
});

test('two skills with one name do not overwrite each other; a directory made by hand is replaced', async () => {
  await put('same', zip({ 'SKILL.md': 'first' }), 'skver_1', 'skill_first');
  const { status, body } = await put('same', zip({ 'SKILL.md': 'second' }), 'skver_1', 'skill_second');
  expect({ status, body }).toMatchObject({
    status: 422,
    body: { message: expect.stringContaining('skill_first') },
  });
  expect(read('same/SKILL.md')).toBe('first');
  mkdirSync(skills('hand'));
  writeFileSync(skills('hand/x'), 'x');
  await put('hand', zip({ 'SKILL.md': 'new' }));
  expect(readdirSync(skills('hand')).sort()).toEqual(['.skill.json', 'SKILL.md']);
});

test('a refused archive changes nothing and leaves no files behind', async () => {
  await put('kept', zip({ 'SKILL.md': 'kept' }));
  const archives = [
    zip({ 'a/../../out': 'x' }),
    tar({ path: '../out', text: 'x' }),
    Buffer.from('no archive'),
  ];
  for (const archive of [...archives, new Uint8Array(0)]) {
    const { status, body } = await put('kept', archive, 'skver_2');
    expect({ status, body }).toMatchObject({ status: 422, body: { code: 'unusable_archive' } });
  }
  expect(read('kept/SKILL.md')).toBe('kept');
  expect(await installed()).toContainEqual({ name: 'kept', skillId: 'skill_kept', versionId: 'skver_1' });
  expect(existsSync(skills('out')) || existsSync(join(host.workdir, 'out'))).toBe(false);
});

test('an archive of more than 50 MB is refused, with or without an announced length', async () => {
  const large = new Uint8Array(51 * 1024 * 1024);
  for (const body of [large, new Blob([large]).stream()]) {
    const answer = await put('large', body);
    expect(answer).toMatchObject({ status: 422, body: { message: expect.stringContaining('larger than') } });
  }
});

test('names that cannot be a directory name are refused', async () => {
  for (const name of ['..', '.', '.hidden', 'a/b', 'x'.repeat(201), 'a\0b'])
    expect((await put(name, zip({ a: 'x' }))).status, name).toBeGreaterThanOrEqual(400);
  expect((await host.request('PUT', '/skills/x?skill_id=a', zip({ a: 'x' }))).status).toBe(400);
});
