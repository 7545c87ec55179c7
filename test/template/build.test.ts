// The build command: its help, its errors, and a build.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startE2BSimulator } from '../../simulators/test/e2b-simulator.ts';
import { DEFINITION, TOOLHOST_FILE } from '../../template/definition.ts';
import { TOOLHOST_BUNDLE } from '../toolhost/running-toolhost.ts';

let dir: string;

beforeAll(async () => {
  // Inside the project, so that its packages are found, but a package root of its own, with its own toolhost.
  const cache = fileURLToPath(new URL('../../.cache/', import.meta.url));
  mkdirSync(cache, { recursive: true });
  dir = mkdtempSync(join(cache, 'template-'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  mkdirSync(join(dir, 'bundles'));
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL('../../template/build.ts', import.meta.url))],
    outfile: join(dir, 'dist/template/build.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
  });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function build(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(dir, 'dist/template/build.js'), ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, ...env },
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code };
}

test('--help names every option and needs no key', async () => {
  const { stdout, code } = await build(['--help']);
  expect(code).toBe(0);
  for (const word of ['--name', '--no-cache', 'E2B_API_KEY', 'E2B_TEMPLATE']) expect(stdout).toContain(word);
});

test('a missing key, an unknown option and a missing toolhost are clear errors', async () => {
  expect(await build([])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('E2B_API_KEY is not set'),
  });
  expect(await build(['--fast'])).toMatchObject({ code: 1, stderr: expect.stringContaining('--fast') });
  const key = { E2B_API_KEY: `e2b_${'0'.repeat(40)}` };
  expect(await build([], key)).toMatchObject({ code: 1, stderr: expect.stringContaining('npm run build') });
});

test('builds the template under its name; a refused key is reported and not shown', async () => {
  const asked: unknown[] = [];
  const api = createServer(async (request, response) => {
    asked.push([request.method, request.url, JSON.parse((await text(request)) || 'null')]);
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end('{"code":401,"message":"no such key"}');
  });
  await once(api.listen(0, '127.0.0.1'), 'listening');
  writeFileSync(join(dir, 'bundles/toolhost.mjs'), '// a toolhost\n');
  try {
    const key = `e2b_${'1'.repeat(40)}`;
    const { stdout, stderr, code } = await build(['--cpus', '4'], {
      E2B_API_KEY: key,
      E2B_TEMPLATE: 'mine:stable',
      E2B_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
    });
    expect(code).toBe(1);
    expect(stdout).toContain('mine:stable');
    expect(stderr).toContain('E2B refuses E2B_API_KEY');
    expect(stdout + stderr).not.toContain(key);
    expect(asked).toEqual([
      [
        'POST',
        '/v3/templates',
        expect.objectContaining({ name: 'mine:stable', cpuCount: 4, memoryMB: 2048 }),
      ],
    ]);
  } finally {
    api.close();
  }
});

test('builds on the local simulator, which names the packages that it cannot install', async () => {
  copyFileSync(TOOLHOST_BUNDLE, join(dir, 'bundles/toolhost.mjs'));
  const e2b = await startE2BSimulator();
  try {
    const env = { E2B_API_KEY: e2b.apiKey, E2B_API_URL: e2b.url, E2B_TEMPLATE: 'agents:v1' };
    const refused = await build([], env);
    expect(refused).toMatchObject({ code: 1, stdout: expect.not.stringContaining('Built') });
    expect(refused.stderr).toMatch(
      /^step 1, RUN apt-get update.*ripgrep.*no network to install packages.*template-packages=skip/,
    );

    await e2b.admin('PATCH', '/switches', { 'template-packages': 'skip' });
    const { stdout, stderr, code } = await build([], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('left out: the sandboxes have the packages of the base');
    expect(stdout).toContain('Built agents:v1');
    const sandbox = await e2b.Sandbox.create('agents:v1');
    const look = `${DEFINITION.readyCmd} && pwd && stat -c '%U %a' ${TOOLHOST_FILE} && stat -c %U ${DEFINITION.ownedDirs.join(' ')}`;
    expect((await sandbox.commands.run(look)).stdout.split('\n')).toEqual([
      DEFINITION.workdir,
      'root 644',
      ...DEFINITION.ownedDirs.map(() => DEFINITION.user),
      '',
    ]);
  } finally {
    await e2b.end();
  }
});
