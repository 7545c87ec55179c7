// The template for E2B and the template for the local simulator, which must have the same content.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFINITION, TOOLHOST_FILE } from '../../template/definition.ts';
import { type LocalTemplate, writeLocalTemplate } from '../../template/manifest.ts';
import { sandboxTemplate } from '../../template/template.ts';
import { TOOLHOST_BUNDLE } from '../toolhost/running-toolhost.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'template-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('E2B builds an image with the toolhost as start command', async () => {
  const definition = JSON.parse(await Template.toJSON(sandboxTemplate(TOOLHOST_BUNDLE)));
  expect(definition).toMatchObject({
    fromImage: 'node:24-bookworm-slim',
    startCmd: 'node /opt/toolhost/toolhost.mjs',
    readyCmd: DEFINITION.readyCmd,
  });
  const steps = definition.steps as { type: string; args: string[]; filesHash?: string }[];
  expect(steps.map((step) => step.type)).toEqual(['RUN', 'RUN', 'COPY', 'USER', 'WORKDIR']);
  const [install, directories, copy, user, workdir] = steps;
  for (const name of ['bash', 'git', 'ripgrep', 'curl', 'jq', 'unzip', 'python3'])
    expect(install?.args[0]).toMatch(new RegExp(` ${name}( |$)`));
  expect(directories?.args).toEqual([
    expect.stringMatching(/^mkdir -p .*\/mnt\/session .* && chown user:user .*\/mnt\/session /),
    'root',
  ]);
  expect(copy?.args).toEqual(['toolhost.mjs', '/opt/toolhost/toolhost.mjs', 'root', '0644']);
  expect(copy?.filesHash).toMatch(/^[0-9a-f]{64}$/);
  expect([user?.args, workdir?.args]).toEqual([['user'], ['/mnt/session']]);
});

test('the local template has files and a manifest with the same values', async () => {
  const manifest = await readManifest(await writeLocalTemplate(join(dir, 'local'), TOOLHOST_BUNDLE));
  expect(manifest).toEqual({
    name: 'managed-agents-router',
    dir: join(dir, 'local', 'root'),
    startCmd: 'node /opt/toolhost/toolhost.mjs',
    readyCmd: DEFINITION.readyCmd,
    env: {},
    workdir: '/mnt/session',
    user: 'user',
  });
  for (const owned of ['mnt/session/outputs', 'mnt/session', 'var/lib/toolhost', 'var/log/toolhost'])
    expect(statSync(join(manifest.dir, owned)).mode & 0o777).toBe(0o777);
  expect(readFileSync(join(manifest.dir, TOOLHOST_FILE))).toEqual(readFileSync(TOOLHOST_BUNDLE));

  const again = await readManifest(await writeLocalTemplate(join(dir, 'local'), TOOLHOST_BUNDLE, 'other'));
  expect(again).toEqual({ ...manifest, name: 'other' });
});

test('the toolhost in the local template starts, and the ready command succeeds', async () => {
  const manifest = await readManifest(await writeLocalTemplate(join(dir, 'started'), TOOLHOST_BUNDLE));
  const env = {
    PATH: process.env.PATH,
    TOOLHOST_HOST: '127.0.0.1',
    TOOLHOST_PORT: '0',
    TOOLHOST_WORKDIR: join(manifest.dir, 'mnt/session'),
    TOOLHOST_STATE: join(manifest.dir, 'var/lib/toolhost'),
    TOOLHOST_LOG: join(manifest.dir, 'var/log/toolhost/worker.log'),
  };
  const child = spawn(process.execPath, [join(manifest.dir, TOOLHOST_FILE)], { env });
  try {
    const [line] = await once(child.stdout, 'data');
    const ready = (port: number) =>
      execFileSync('sh', ['-c', manifest.readyCmd.replace(':7800/', `:${port}/`)], { stdio: 'ignore' });
    const { port } = JSON.parse(line);
    ready(port);
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await gone).toEqual([0, null]);
    expect(() => ready(port)).toThrow();
  } finally {
    child.kill('SIGKILL');
  }
});

async function readManifest(file: string): Promise<LocalTemplate> {
  return JSON.parse(readFileSync(file, 'utf8'));
}
