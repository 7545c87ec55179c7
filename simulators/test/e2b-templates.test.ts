// Templates of the E2B simulator through the unmodified SDK: names, tags, restarts.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

const NAME = 'acme/tools';
let folder: string;
let manifest: string;
let e2b: E2BSimulator;

/** Changes the template. */
async function writeTemplate(words: string): Promise<void> {
  await writeFile(join(folder, 'tree/srv/words'), words);
  await writeFile(manifest, JSON.stringify({ name: NAME, dir: 'tree', env: { WORDS: words } }));
}

const connection = () => ({ apiKey: e2b.apiKey, apiUrl: e2b.url, retries: 0 });

async function words(template: string): Promise<string> {
  const sandbox = await e2b.Sandbox.create(template);
  const { stdout } = await sandbox.commands.run('echo "$(cat /srv/words) $WORDS"');
  await sandbox.kill();
  return stdout.trim();
}

async function ask(method: string, path: string, body?: unknown) {
  const answer = await fetch(`${e2b.url}${path}`, {
    method,
    headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, text: await answer.text() };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-templates-'));
  manifest = join(folder, 'template.json');
  await mkdir(join(folder, 'tree/srv'), { recursive: true });
  await writeTemplate('one');
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state'), templates: [manifest] });
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});

test('can be made public and private', async () => {
  const at = encodeURIComponent(NAME);
  const seen = async () => {
    const list = JSON.parse((await ask('GET', '/templates')).text) as { names: string[]; public: boolean }[];
    return list.filter((one) => one.public).map(({ names }) => names[0]);
  };
  expect(await seen()).toEqual([]);
  expect(await ask('PATCH', `/v2/templates/${at}`, { public: true })).toEqual({
    status: 200,
    text: JSON.stringify({ names: [NAME] }),
  });
  expect(await seen()).toEqual([NAME]);
  expect(JSON.parse((await ask('GET', `/templates/aliases/${at}`)).text)).toMatchObject({ public: true });
  expect((await ask('PATCH', `/v2/templates/${at}`, {})).status).toBe(200);
  expect(await seen()).toEqual([NAME]);
  expect((await ask('PATCH', `/templates/${at}`, { public: false })).status).toBe(200);
  expect(await seen()).toEqual([]);
  expect((await ask('PATCH', '/v2/templates/none', { public: true })).status).toBe(404);
  expect((await ask('PATCH', '/v2/templates/none', {})).status).toBe(404);
  expect((await ask('PATCH', '/v2/templates/base', { public: false })).status).toBe(403);
  expect((await ask('PATCH', `/v2/templates/${at}`, { public: 'yes' })).status).toBe(400);
});

test('names with a slash, ids and tags are found, others are not', async () => {
  expect(await Template.exists('base', connection())).toBe(true);
  expect(await Template.exists(NAME, connection())).toBe(true);
  for (const unknown of ['tools', 'acme/other', `${NAME}:v1`, 'constructor', `${NAME}:constructor`])
    expect(await Template.exists(unknown, connection())).toBe(false);
  const list = JSON.parse((await ask('GET', '/templates')).text) as Record<string, unknown>[];
  expect(list.map(({ names }) => names)).toEqual([['base'], [NAME]]);
  expect(list[1]).toMatchObject({ aliases: [NAME], buildStatus: 'ready', buildCount: 1 });
  expect(await words(String(list[1]?.templateID))).toBe('one one');
});

test('newer SDKs list templates in pages, newest first', async () => {
  const page = async (query: string) => {
    const answer = await fetch(`${e2b.url}/v2/templates?${query}`, { headers: { 'x-api-key': e2b.apiKey } });
    const { status, headers } = answer;
    const names =
      status === 200 ? ((await answer.json()) as { names: string[] }[]).map((each) => each.names[0]) : [];
    return { status, names, next: headers.get('x-next-token') };
  };
  const all = await page('');
  expect(all).toMatchObject({ status: 200, names: expect.arrayContaining(['base', NAME]), next: null });
  const first = await page('limit=1');
  expect(first.names).toEqual(all.names.slice(0, 1));
  expect(await page(`limit=1&nextToken=${first.next}`)).toEqual({
    status: 200,
    names: all.names.slice(1),
    next: null,
  });
  for (const bad of ['limit=0', 'limit=101', 'nextToken=x']) expect((await page(bad)).status).toBe(400);
});

test('a tag keeps its build when the manifest changes and the simulator starts again', async () => {
  const { buildId, tags } = await Template.assignTags(NAME, ['v1', 'stable'], connection());
  expect(tags).toEqual(['v1', 'stable']);
  const sandbox = await e2b.Sandbox.create(NAME, { timeoutMs: 600_000 });

  await e2b.close({ keep: true });
  await writeTemplate('two');
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state'), templates: [manifest] });

  const found = await Template.getTags(NAME, connection());
  expect(found.map(({ tag }) => tag).sort()).toEqual(['default', 'stable', 'v1']);
  expect(found.filter((tag) => tag.buildId === buildId).map(({ tag }) => tag)).toEqual(['v1', 'stable']);
  expect(await words(NAME)).toBe('two two');
  expect(await words(`${NAME}:v1`)).toBe('one one');

  // A sandbox boots again with its own build.
  await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/restart`);
  const again = await e2b.Sandbox.connect(sandbox.sandboxId);
  expect((await again.commands.run('echo "$(cat /srv/words) $WORDS"')).stdout).toBe('one one\n');
  await again.kill();

  await Template.assignTags(`${NAME}:v1`, 'default', connection());
  expect(await words(NAME)).toBe('one one');
  await Template.removeTags(NAME, 'stable', connection());
  await expect(e2b.Sandbox.create(`${NAME}:stable`)).rejects.toThrow(/'acme\/tools:stable' not found/);
});

test('invalid tags are refused without any change', async () => {
  const before = await Template.getTags(NAME, connection());
  await expect(Template.assignTags('acme/other', 'v1', connection())).rejects.toThrow(/not found/);
  await expect(Template.assignTags(NAME, 'a:b', connection())).rejects.toThrow(/a tag must be/);
  await expect(Template.assignTags(NAME, [], connection())).rejects.toThrow(/tags/);
  await expect(Template.removeTags(NAME, 'default', connection())).rejects.toThrow(/cannot be removed/);
  await expect(Template.removeTags(NAME, ['v1', 'none'], connection())).rejects.toThrow(/no tag 'none'/);
  await expect(Template.removeTags('acme/other', 'v1', connection())).rejects.toThrow(/not found/);
  await expect(Template.getTags('acme/other', connection())).rejects.toThrow(/not found/);
  expect((await ask('POST', '/templates/tags', { target: 7 })).status).toBe(400);
  expect(await Template.getTags(NAME, connection())).toEqual(before);
});
