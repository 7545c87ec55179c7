/** The shape of the Skills API for requests with the beta header of older SDKs. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture, statusOf } from './managed-agents.ts';

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.close());

async function ask(method: string, path: string, form?: FormData, key = fixture.apiKey): Promise<Answer> {
  const response = await fetch(`${fixture.url}/v1/skills${path}`, {
    method,
    headers: { 'x-api-key': key, 'anthropic-beta': 'other-2026-01-01,skills-2025-10-02' },
    ...(form ? { body: form } : {}),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function files(description: string, fields: Record<string, string> = {}, folder = 'counter'): FormData {
  const form = new FormData();
  const text = `---\nname: counter\ndescription: ${description}\n---\n`;
  form.append('files[]', new Blob([text]), `${folder}/SKILL.md`);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

/** Creates a skill with two versions. Returns its id and the names of the versions, oldest first. */
async function twoVersions(): Promise<{ id: string; epochs: [string, string] }> {
  const { body } = await ask('POST', '', files('First.', { display_title: 'Counter' }));
  const second = await ask('POST', `/${body.id}/versions`, files('Second.'));
  return { id: String(body.id), epochs: [String(body.latest_version), String(second.body.version)] };
}

test('skills and versions have the fields of the beta, and today the others', async () => {
  const { id, epochs } = await twoVersions();
  expect(Number(epochs[1])).toBeGreaterThan(Number(epochs[0]));
  const now = await fixture.organization.beta.skills.retrieve(id);
  const { created_at, updated_at } = now;
  const older = { id, type: 'skill', display_title: 'Counter', latest_version: epochs[1], source: 'custom' };
  expect((await ask('GET', `/${id}`)).body).toEqual({ ...older, created_at, updated_at });
  expect(now).toEqual({
    id,
    type: 'skill',
    display_name: 'Counter',
    latest_version_id: expect.stringMatching(/^skver_/),
    source: { type: 'custom' },
    created_at,
    updated_at,
  });

  const version = (await ask('GET', `/${id}/versions/${epochs[1]}`)).body;
  expect(version).toEqual({
    id: now.latest_version_id.replace('skver_', 'skill_version_'),
    type: 'skill_version',
    skill_id: id,
    version: epochs[1],
    name: 'counter',
    directory: 'counter',
    description: 'Second.',
    created_at: expect.any(String),
  });
  const { versions } = fixture.organization.beta.skills;
  const { version: _, directory, ...shown } = version;
  expect(await versions.retrieve(String(version.id), { skill_id: id })).toEqual({
    ...shown,
    id: now.latest_version_id,
  });
});

test('a worker finds the newest version with its key, and downloads it by its number', async () => {
  const { id, epochs } = await twoVersions();
  const { environmentKey } = fixture;
  const first = (await ask('GET', `/${id}/versions?limit=1`, undefined, environmentKey)).body;
  expect(first).toMatchObject({ data: [{ version: epochs[0] }], has_more: true });
  const page = `/${id}/versions?limit=1&page=${first.next_page}`;
  const second = (await ask('GET', page, undefined, environmentKey)).body;
  expect(second).toMatchObject({ data: [{ version: epochs[1] }], has_more: false, next_page: null });
  // The current API lists versions in the opposite order.
  expect(
    await statusOf(fixture.organization.beta.skills.versions.list(id, { page: String(first.next_page) })),
  ).toBe(400);

  const betas = ['skills-2025-10-02'];
  const at = { skill_id: id, betas };
  const { versions } = fixture.environment.beta.skills;
  const archive = await versions.download(epochs[1], at);
  expect(archive.headers.get('content-type')).toBe('application/zip');
  const { latest_version_id } = await fixture.organization.beta.skills.retrieve(id);
  for (const name of ['latest', latest_version_id]) {
    expect(await statusOf(versions.retrieve(name, at))).toBe(404);
    expect(await statusOf(versions.download(name, at))).toBe(404);
  }
  expect(await statusOf(versions.retrieve(epochs[1], { skill_id: id }))).toBe(404);
});

test('versions are deleted before their skill; one without any is shown by the beta alone', async () => {
  const { skills } = fixture.organization.beta;
  const { id, epochs } = await twoVersions();
  expect((await ask('DELETE', `/${id}`)).status).toBe(400);
  for (const epoch of epochs) {
    expect((await ask('DELETE', `/${id}/versions/${epoch}`)).body).toEqual({
      id: epoch,
      type: 'skill_version_deleted',
    });
  }
  expect((await ask('GET', `/${id}`)).body).toMatchObject({ latest_version: null });
  expect((await ask('GET', '')).body).toMatchObject({ data: [{ id }], has_more: false });
  expect(await statusOf(skills.retrieve(id))).toBe(400);
  expect(await statusOf(skills.versions.retrieve('latest', { skill_id: id }))).toBe(404);
  expect((await skills.list()).data).toEqual([]);
  const pinned = { name: 'Counts', model: 'claude-opus-5-5', skills: [{ type: 'custom', skill_id: id }] };
  expect(await statusOf(fixture.organization.beta.agents.create(pinned as never))).toBe(400);

  expect((await ask('POST', `/${id}/versions`, files('Third.'))).status).toBe(200);
  expect(await statusOf(skills.retrieve(id))).toBe(200);
  expect(await skills.delete(id)).toMatchObject({ id, type: 'skill_deleted' });
});

test('a title is short and unique; a skill without a title shows null', async () => {
  expect((await ask('POST', '', files('x', { display_title: 'T'.repeat(65) }))).status).toBe(400);
  expect((await ask('POST', '', files('x', { display_title: 'Mine' }))).status).toBe(200);
  expect((await ask('POST', '', files('x', { display_title: 'Mine' }))).status).toBe(400);
  expect((await ask('POST', '', files('x'))).body.display_title).toBeNull();
  expect((await fixture.organization.beta.skills.list()).data.map((skill) => skill.display_name)).toContain(
    'counter',
  );
});

test('an upload lies in a folder of the name of its skill', async () => {
  expect((await ask('POST', '', files('x', {}, 'other'))).status).toBe(400);
  const bare = new FormData();
  bare.append('files[]', new Blob(['---\nname: counter\ndescription: x\n---\n']), 'SKILL.md');
  expect((await ask('POST', '', bare)).status).toBe(400);
});

test('an agent may name a version as the beta did', async () => {
  const { id, epochs } = await twoVersions();
  const [version] = (await ask('GET', `/${id}/versions`)).body.data as { id: string }[];
  for (const name of [epochs[0], version?.id ?? '']) {
    const agent = await fixture.organization.beta.agents.create({
      name: 'Counts',
      model: 'claude-opus-5-5',
      skills: [{ type: 'custom', skill_id: id, version: name }],
    });
    expect(agent.skills).toEqual([{ type: 'custom', skill_id: id, version: name }]);
  }
});
