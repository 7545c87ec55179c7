// A folder with files to copy, an E2B simulator that keeps its builds beside them, and requests of template builds, for
// the tests of one file: its hooks start and end with those.
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'e2b';
import { afterAll, beforeAll, expect } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

export let folder: string;
export let e2b: E2BSimulator;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-builds-'));
  await mkdir(join(folder, 'app/sub'), { recursive: true });
  for (const [name, text] of [
    ['app/a.txt', 'a'],
    ['app/sub/b.txt', 'b'],
    ['one.md', 'one'],
    ['with spaces.md', 'spaces'],
    ['two.md', 'two'],
  ])
    await writeFile(join(folder, name as string), text as string);
  await startAgain();
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});

/** Starts the simulator with what an earlier one has left in the folder. */
export async function startAgain() {
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state') });
}

export const connection = () => ({ apiKey: e2b.apiKey, apiUrl: e2b.url, retries: 0 });
export const template = () => Template({ fileContextPath: folder });
export const run = async (name: string, command: string) => {
  const sandbox = await e2b.Sandbox.create(name);
  try {
    return (await sandbox.commands.run(command)).stdout;
  } finally {
    await sandbox.kill();
  }
};
/** Number of sandboxes, including those of builds. */
export const running = async () => {
  const { sandboxes } = (await e2b.admin('GET', '/state')) as { sandboxes: Record<string, unknown> };
  return Object.keys(sandboxes).length;
};
export const ask = async (method: string, path: string, body?: unknown) => {
  const answer = await fetch(`${e2b.url}${path}`, {
    method,
    headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json().catch(() => ({}))) as Record<string, string> };
};
/** Requests a build and uploads the files of its COPY steps under the hash `abc`. */
export const prepared = async (name: string, files?: Uint8Array<ArrayBuffer>) => {
  const { body } = await ask('POST', '/v3/templates', { name });
  const at = `/templates/${body.templateID}`;
  const { body: link } = await ask('GET', `${at}/files/abc`);
  if (files) expect((await fetch(link.url ?? '', { method: 'PUT', body: files })).status).toBe(200);
  return {
    at,
    link,
    start: `/v2${at}/builds/${body.buildID}`,
    status: `${at}/builds/${body.buildID}/status`,
  };
};
export const ended = async (status: string) => {
  const look = async () => (await ask('GET', status)).body;
  await expect.poll(async () => (await look()).status, { timeout: 30_000 }).toMatch(/ready|error/);
  return look();
};
export const disks = () => readdirSync(join(folder, 'state/builds'));
