// `codec-server` as a process.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectPath } from '../../../src/paths.ts';

const TOKEN = 'a-token-of-the-codec-server';

let folder: string;
let complete: Record<string, string>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'codec-server-'));
  writeFileSync(join(folder, 'one.key'), randomBytes(32).toString('base64'));
  writeFileSync(join(folder, 'token'), TOKEN);
  complete = {
    TEMPORAL_ENCRYPTION_KEY_FOLDER: folder,
    CODEC_SERVER_TOKEN_FILE: join(folder, 'token'),
    CODEC_SERVER_PORT: '0',
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(env: Record<string, string>) {
  const child = spawn(process.execPath, [projectPath('src/main.ts'), 'codec-server'], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const lines = createInterface({ input: child.stdout });
  return { child, lines, ended: once(child, 'close').then(([code]) => ({ code, stderr })) };
}

it('decodes until it is stopped', async () => {
  const { child, lines, ended } = run(complete);
  const [line] = await once(lines, 'line');
  const [, url] = /codec server (http:\S+)/.exec(line) ?? [];
  const answer = await fetch(`${url}/decode`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: '{"payloads":[]}',
  });
  expect(await answer.json()).toEqual({ payloads: [] });
  child.kill('SIGTERM');
  expect((await ended).code).toBe(0);
});

it.each([
  ['neither folder nor token', {}, 2, ['TEMPORAL_ENCRYPTION_KEY_FOLDER', 'CODEC_SERVER_TOKEN_FILE']],
  ['a folder without keys', { TEMPORAL_ENCRYPTION_KEY_FOLDER: tmpdir() }, 1, ['holds no key']],
  ['a token file that does not exist', { CODEC_SERVER_TOKEN_FILE: '/nowhere/token' }, 1, ['/nowhere/token']],
])('with %s it says what is missing, without a stack trace', async (_what, given, code, texts) => {
  const { ended } = run(Object.keys(given).length > 0 ? { ...complete, ...given } : {});
  const { code: exit, stderr } = await ended;
  expect(exit).toBe(code);
  for (const text of texts) expect(stderr).toContain(text);
  expect(stderr).not.toMatch(/^\s+at /m);
});
