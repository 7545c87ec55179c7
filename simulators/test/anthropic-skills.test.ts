import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toFile } from '@anthropic-ai/sdk';
import { strToU8, zipSync } from 'fflate';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture, statusOf } from './managed-agents.ts';

let fixture: Fixture;
let dir: string;
beforeEach(async () => {
  fixture = await startFixture();
  dir = await mkdtemp(join(tmpdir(), 'skills-test-'));
});
afterEach(async () => {
  await fixture.close();
  await rm(dir, { recursive: true, force: true });
});

const guide = (name: string, description = 'Counts the words of a text.') =>
  `---\nname: ${name}\ndescription: ${description}\n---\n# How to count\n`;
const file = (name: string, text: string) => toFile(Buffer.from(text), name);
const create = async (...files: [name: string, text: string][]) =>
  fixture.organization.beta.skills.create({ files: await Promise.all(files.map(([n, t]) => file(n, t))) });

async function unpack(response: Response): Promise<string> {
  const archive = join(dir, 'skill.zip');
  await writeFile(archive, Buffer.from(await response.arrayBuffer()));
  await promisify(execFile)('unzip', ['-q', archive, '-d', dir]);
  return dir;
}

test('a skill is uploaded, listed, downloaded as a zip archive of the same files, and deleted', async () => {
  const { skills } = fixture.organization.beta;
  const skill = await create(
    ['counter/SKILL.md', guide('word-counter')],
    ['counter/scripts/count.sh', '#!/bin/sh\nwc -w "$1"\n'],
  );
  expect(skill).toMatchObject({
    type: 'skill',
    display_name: 'word-counter',
    source: { type: 'custom' },
    latest_version_id: expect.stringMatching(/^skver_/),
  });
  expect(await skills.retrieve(skill.id)).toMatchObject({ id: skill.id });
  expect((await skills.list()).data.map(({ id }) => id)).toEqual([skill.id]);
  expect((await skills.list({ source: 'anthropic' })).data).toEqual([]);

  const version = await fixture.environment.beta.skills.versions.retrieve('latest', { skill_id: skill.id });
  expect(version).toMatchObject({
    id: skill.latest_version_id,
    name: 'word-counter',
    description: 'Counts the words of a text.',
  });
  const unpacked = await unpack(
    await fixture.environment.beta.skills.versions.download(version.id, { skill_id: skill.id }),
  );
  expect(await readFile(join(unpacked, 'word-counter/SKILL.md'), 'utf8')).toBe(guide('word-counter'));
  const program = await stat(join(unpacked, 'word-counter/scripts/count.sh'));
  expect(program.mode & 0o777).toBe(0o755);

  expect(await skills.delete(skill.id)).toEqual({ id: skill.id, type: 'skill_deleted' });
  expect(await statusOf(skills.versions.retrieve(version.id, { skill_id: skill.id }))).toBe(404);
});

test('later versions keep the name; the newest is what latest means; the last one stays', async () => {
  const { versions } = fixture.organization.beta.skills;
  const skill = await create(['a/SKILL.md', guide('same')]);
  const add = async (name: string) =>
    versions.create(skill.id, { files: [await file('b/SKILL.md', guide(name, 'Second.'))] });
  expect(await statusOf(add('other'))).toBe(400);
  await fixture.admin('POST', '/clock', { advanceMs: 1000 });
  const second = await add('same');
  expect((await fixture.organization.beta.skills.retrieve(skill.id)).latest_version_id).toBe(second.id);
  const listed: string[] = [];
  for await (const version of versions.list(skill.id, { limit: 1 })) listed.push(version.description);
  expect(listed).toEqual(['Second.', 'Counts the words of a text.']);
  // Only retrieval resolves the alias `latest`.
  expect(await statusOf(versions.download('latest', { skill_id: skill.id }))).toBe(404);
  expect(await versions.delete(second.id, { skill_id: skill.id })).toMatchObject({
    type: 'skill_version_deleted',
  });
  expect(await statusOf(versions.delete(skill.latest_version_id, { skill_id: skill.id }))).toBe(400);
});

test('a zip archive is an upload, too', async () => {
  const archive = zipSync({ 'zipped/SKILL.md': strToU8(guide('zipped', '"Quoted: text"')) });
  const skill = await fixture.organization.beta.skills.create({
    files: [await toFile(archive, 'zipped.zip')],
    display_name: 'From a zip',
  });
  expect(skill.display_name).toBe('From a zip');
  const version = await fixture.organization.beta.skills.versions.retrieve('latest', { skill_id: skill.id });
  expect(version.description).toBe('Quoted: text');
});

test('SKILL.md may lie at the root of an upload', async () => {
  const skill = await create(['SKILL.md', guide('bare')], ['more/notes.md', 'Notes.']);
  const at = { skill_id: skill.id };
  const { versions } = fixture.organization.beta.skills;
  const unpacked = await unpack(await versions.download(skill.latest_version_id, at));
  expect(await readFile(join(unpacked, 'bare/more/notes.md'), 'utf8')).toBe('Notes.');
});

test.each<[string, [string, string][]]>([
  ['no file', []],
  ['no SKILL.md', [['a/other.md', guide('x')]]],
  ['SKILL.md deeper', [['a/b/SKILL.md', guide('x')]]],
  [
    'files beside its folder',
    [
      ['a/SKILL.md', guide('x')],
      ['more.md', ''],
    ],
  ],
  [
    'two folders',
    [
      ['a/SKILL.md', guide('x')],
      ['b/more.md', ''],
    ],
  ],
  [
    'a path that leads out',
    [
      ['a/SKILL.md', guide('x')],
      ['a/../../etc/cron.d/x', ''],
    ],
  ],
  ['no front matter', [['a/SKILL.md', '# Hello']]],
  ['a name that is no slug', [['a/SKILL.md', guide('Not A Slug')]]],
  ['no description', [['a/SKILL.md', '---\nname: x\n---\n']]],
  ['a zip that is none', [['a.zip', 'PK nonsense']]],
])('an upload with %s is refused', async (_what, files) => {
  expect(await statusOf(create(...files))).toBe(400);
});

test('an upload that is not multipart, or is cut off, is refused', async () => {
  const post = (body: string, type: string) =>
    fetch(`${fixture.url}/v1/skills`, {
      method: 'POST',
      body,
      headers: { 'x-api-key': fixture.apiKey, 'content-type': type },
    });
  expect((await post('{}', 'application/json')).status).toBe(400);
  const cut = '--b\r\ncontent-disposition: form-data; name="files[]"; filename="a/SKILL.md"\r\n\r\nabc';
  expect((await post(cut, 'multipart/form-data; boundary=b')).status).toBe(400);
  expect((await post(cut, 'multipart/form-data')).status).toBe(400);
});

test("an agent's skills reach its sessions, unknown ones are refused", async () => {
  const { agents, sessions } = fixture.organization.beta;
  const skill = await create(['a/SKILL.md', guide('helper')]);
  const agent = (...skills: { type: 'custom' | 'anthropic'; skill_id: string; version?: string }[]) =>
    agents.create({ name: 'With skills', model: 'claude-opus-5-5', skills });
  const { id } = await agent(
    { type: 'custom', skill_id: skill.id },
    { type: 'custom', skill_id: skill.id, version: skill.latest_version_id },
    { type: 'anthropic', skill_id: 'xlsx' },
  );
  const session = await sessions.create({ agent: id, environment_id: fixture.environmentId });
  expect(session.agent.skills).toEqual([
    { type: 'custom', skill_id: skill.id, version: 'latest' },
    { type: 'custom', skill_id: skill.id, version: skill.latest_version_id },
    { type: 'anthropic', skill_id: 'xlsx', version: 'latest' },
  ]);
  expect(await statusOf(agent({ type: 'custom', skill_id: 'skill_none' }))).toBe(400);
  expect(await statusOf(agent({ type: 'anthropic', skill_id: skill.id }))).toBe(400);
  expect(await statusOf(agent({ type: 'custom', skill_id: skill.id, version: 'skver_none' }))).toBe(400);
  expect(await statusOf(fixture.organization.beta.skills.retrieve('xlsx'))).toBe(501);
});

test("a published skill is Anthropic's: found under its name, read-only", async () => {
  const skill = await create(['a/SKILL.md', guide('sheets')]);
  await fixture.admin('POST', `/skills/${skill.id}/publish`, { id: 'xlsx' });
  const found = (await fixture.organization.beta.skills.list({ source: 'anthropic' })).data;
  expect(found).toMatchObject([{ id: 'xlsx', source: { type: 'anthropic' } }]);
  const latest = await fixture.organization.beta.skills.versions.retrieve('latest', { skill_id: 'xlsx' });
  expect(latest.id).toBe(skill.latest_version_id);
  expect(await statusOf(fixture.organization.beta.skills.delete('xlsx'))).toBe(400);
});

test('skills survive a restart', async () => {
  const skill = await create(['a/SKILL.md', guide('lasting')]);
  await fixture.close();
  fixture = await startFixture({ stateDir: dir });
  expect(await statusOf(fixture.organization.beta.skills.retrieve(skill.id))).toBe(404);
  const kept = await create(['a/SKILL.md', guide('lasting')]);
  await fixture.close();
  fixture = await startFixture({ stateDir: dir });
  const response = await fixture.organization.beta.skills.versions.download(kept.latest_version_id, {
    skill_id: kept.id,
  });
  expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(100);
});
