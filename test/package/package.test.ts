// The npm package: packed, and installed in an empty folder outside this repository.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { packRouter } from '../../harness/pack-router.ts';
import { projectPath } from '../../src/paths.ts';
import { startSessionWorld } from '../workflows/session-world.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

const exec = promisify(execFile);
const manifest = JSON.parse(readFileSync(projectPath('package.json'), 'utf8'));
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'package-'));
  const packed = await packRouter(folder);
  cpSync(projectPath('examples/replay-test'), folder, { recursive: true });
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', packed];
  await exec('npm', install, { cwd: folder });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(command: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { stdout, stderr, code };
}

const worker = {
  ANTHROPIC_ENVIRONMENT_ID: 'env_packed',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-not-a-real-key',
  ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
  E2B_API_KEY: 'e2b_00112233445566778899',
  E2B_API_URL: 'http://127.0.0.1:9',
  WORKER_SHUTDOWN_GRACE_SECONDS: '1',
};

it('npx shows help and version', async () => {
  const help = await run('npx', ['managed-agents-router', '--help']);
  expect(help).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Usage: ') });
  const version = await run('npx', ['managed-agents-router', '--version']);
  expect(version).toEqual({ code: 0, stderr: '', stdout: `${manifest.version}\n` });
});

it('npx checks a configuration file', async () => {
  writeFileSync(join(folder, 'mine.yaml'), 'session: { graceSeconds: 5 }\nlogs: {}\n');
  const args = ['managed-agents-router', 'config', 'check', '--config', 'mine.yaml'];
  const { code, stderr } = await run('npx', args, worker);
  rmSync(join(folder, 'mine.yaml'));
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'The configuration has one problem:\n  mine.yaml:2:1 logs is not a setting. Did you mean log?\n',
  });
});

it('names commands as they can be run here', async () => {
  const { code, stderr } = await run('npx', ['managed-agents-router', 'config', 'check']);
  expect(code).toBe(2);
  expect(stderr).toContain('"npx managed-agents-router setup" asks for what is missing');
});

it('contains what runs, and none of the packages that only build and test it', () => {
  const installed = join(folder, 'node_modules');
  const own = join(installed, manifest.name);
  for (const file of [
    'bundles/workflows.js',
    'bundles/toolhost.mjs',
    'dist/src/main.js',
    'config.schema.json',
    'docs/settings.md',
    'README.md',
    'LICENSE',
  ])
    expect(existsSync(join(own, file)), file).toBe(true);
  for (const room of ['src', 'test', 'simulators', 'harness', 'dist/simulators', 'dist/harness'])
    expect(existsSync(join(own, room)), room).toBe(false);
  const others = [
    ...Object.keys(manifest.devDependencies),
    'managed-agents-simulators',
    '@fastify/busboy',
    'fflate',
  ];
  // Dependencies of production packages.
  const shared = ['@types/node', 'tar'];
  for (const name of others.filter((one) => !shared.includes(one)))
    expect(existsSync(join(installed, name)), name).toBe(false);
});

it('the worker of the installed package runs', async () => {
  const child = spawn('node_modules/.bin/managed-agents-router', ['worker'], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...worker, TEMPORAL_ADDRESS: inject('temporalAddress') },
  });
  const errors = text(child.stderr);
  const exit = once(child, 'exit');
  const [line] = await Promise.race([once(child.stdout, 'data'), exit]);
  expect(String(line), String(line)).toContain('worker of env_packed');
  child.kill('SIGTERM');
  const [code] = await exit;
  expect(code, await errors).toBe(0);
});

it('a start with outputs in S3 names the packages to install', async () => {
  const env = {
    ...worker,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    OUTPUTS_TARGET: 's3://bucket/prefix',
  };
  const { code, stderr } = await run('node_modules/.bin/managed-agents-router', ['worker'], env);
  expect(stderr).toContain('npm install @aws-sdk/client-s3 @aws-sdk/lib-storage');
  expect(code).toBe(2);
});

it('./messages has types that another project compiles with', async () => {
  const source = `
    import { type SessionStatus, sessionWorkflowId, statusQuery } from '${manifest.name}/messages';
    import { replayHistory } from '${manifest.name}/replay';
    const id: string = sessionWorkflowId('sesn_1');
    const phaseOf = (status: SessionStatus): string => status.phase;
    export const replayed: Promise<void> = replayHistory({});
    // @ts-expect-error a session's id is a string
    sessionWorkflowId(1);
    export const used = [id, statusQuery.name, phaseOf];`;
  writeFileSync(join(folder, 'uses-messages.ts'), source);
  const tsc = projectPath('node_modules/typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
  const { code, stdout } = await run(process.execPath, [tsc, ...options, 'uses-messages.ts']);
  expect(stdout).toBe('');
  expect(code).toBe(0);
  const script = `import { sessionWorkflowId, statusQuery } from '${manifest.name}/messages';
    console.log(sessionWorkflowId('sesn_1'), statusQuery.name);`;
  const ran = await run(process.execPath, ['--input-type=module', '-e', script]);
  expect(ran.stdout).toBe('session-sesn_1 status\n');
});

it('the example replays the downloaded history of a session, and fails for a history that this version would not make', async () => {
  const world = await startSessionWorld();
  const session = world.session();
  await session.webhookReceived();
  await session.untilCalled('inspectSession');
  await session.claimed('work_1');
  await session.untilCalled('watchSession');
  const history = historyToJSON(await session.handle.fetchHistory());
  await world.close();

  mkdirSync(join(folder, 'histories'), { recursive: true });
  writeFileSync(join(folder, 'histories/session.json'), history);
  const same = await run('npm', ['test']);
  expect(same.stdout).toContain('pass 1');
  expect(same.code).toBe(0);

  const other = history.replaceAll('"inspectSession"', '"lookElsewhere"');
  expect(other).not.toBe(history);
  writeFileSync(join(folder, 'histories/session.json'), other);
  const changed = await run('npm', ['test']);
  expect(changed.stdout).toContain('fail 1');
  expect(changed.code).toBe(1);
});
