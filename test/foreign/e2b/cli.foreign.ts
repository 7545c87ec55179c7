/** E2B's command line, over the whole life cycle of a sandbox. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { npmPackage } from '../programs.ts';

let cli: string;
let e2b: E2BSimulator;
/** Home folder for the settings of the command line. */
let home: string;

beforeAll(async () => {
  cli = join(await npmPackage('@e2b/cli@2.19.0'), 'dist/index.js');
  e2b = await startE2BSimulator();
  home = await mkdtemp(join(tmpdir(), 'e2b-cli-'));
});
afterAll(async () => {
  await e2b?.end();
  await rm(home, { recursive: true, force: true });
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function start(command: string, args: string[], input = ''): Promise<Ended> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
  };
  return new Promise((resolve) => {
    const child = execFile(command, args, { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
    child.stdin?.end(input);
  });
}

const sandboxCommand = (...args: string[]) => start(process.execPath, [cli, 'sandbox', ...args]);

test('create, list, info, exec, pause, resume, connect, metrics, logs, kill', async () => {
  const created = await sandboxCommand('create', '--detach', '--timeout', '600', 'base');
  const [id = ''] = /i[a-z0-9]{20}/.exec(created.stdout) ?? [];
  expect([created.code, id]).toEqual([0, expect.stringMatching(/^i/)]);
  const listed = async (state: string) =>
    (
      JSON.parse((await sandboxCommand('list', '--state', state, '--format', 'json')).stdout) as {
        sandboxId: string;
      }[]
    ).map(({ sandboxId }) => sandboxId);
  expect(await listed('running')).toEqual([id]);
  const info = await sandboxCommand('info', id, '--format', 'json');
  expect(JSON.parse(info.stdout)).toMatchObject({ sandboxId: id, name: 'base', state: 'running' });

  const exec = await sandboxCommand(
    'exec',
    '-e',
    'OWN=x',
    '-c',
    '/tmp',
    id,
    'echo $OWN $PWD; echo no >&2; exit 3',
  );
  expect([exec.code, exec.stdout]).toEqual([3, 'x /tmp\n']);
  expect(exec.stderr).toContain('no\n');
  const piped = await start(process.execPath, [cli, 'sandbox', 'exec', '-u', 'root', id, 'cat; id -u'], 'in');
  expect([piped.code, piped.stdout]).toEqual([0, 'in0\n']);
  const background = await sandboxCommand('exec', '--background', id, 'sleep 1000');
  expect(background.code).toBe(0);

  expect((await sandboxCommand('pause', id)).code).toBe(0);
  expect([await listed('running'), await listed('paused')]).toEqual([[], [id]]);
  expect((await sandboxCommand('resume', id)).code).toBe(0);
  const alive = await sandboxCommand('exec', id, 'pgrep -c sleep');
  expect(alive.stdout).toBe('1\n');

  // The command needs a terminal.
  const terminal = `${process.execPath} ${cli} sandbox connect ${id}`;
  const typed = await start('script', ['-qec', terminal, '/dev/null'], 'echo in-$((40+2)); tty; exit\n');
  expect([typed.code, typed.stdout]).toEqual([0, expect.stringMatching(/in-42[\s\S]*\/dev\/pts\/\d+/)]);

  expect((await sandboxCommand('metrics', id)).stdout).toMatch(/CPU:.*Memory:.*Disk:/);
  const logs = (await sandboxCommand('logs', id, '--format', 'json')).stdout;
  for (const line of ['sandbox started', 'POST /process.Process/Start', 'sandbox paused', 'sandbox resumed'])
    expect(logs).toContain(line);
  expect((await sandboxCommand('kill', id)).code).toBe(0);
  expect([await listed('running'), await listed('paused')]).toEqual([[], []]);
  expect((await sandboxCommand('info', id)).stderr).toContain(`${id} wasn't found`);
});

test('builds a template from a Dockerfile, lists, publishes, uses and deletes it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'e2b-cli-template-'));
  const template = (...args: string[]) => start(process.execPath, [cli, 'template', ...args]);
  const listed = async () =>
    JSON.parse((await template('list', '--format', 'json')).stdout) as {
      aliases: string[];
      public: boolean;
    }[];
  const names = async () => (await listed()).flatMap(({ aliases }) => aliases);
  const isPublic = async (name: string) =>
    (await listed()).find(({ aliases }) => aliases.includes(name))?.public;
  try {
    await writeFile(join(folder, 'greeting.txt'), 'hello from a Dockerfile\n');
    await writeFile(
      join(folder, 'e2b.Dockerfile'),
      'FROM e2bdev/base\nENV GREETING=/srv/greeting.txt\nCOPY greeting.txt /srv/\nRUN tr a-z A-Z < /srv/greeting.txt > /srv/loud.txt\n',
    );
    const built = await template('create', 'greeter', '--path', folder);
    expect([built.code, built.stdout + built.stderr]).toEqual([0, expect.stringContaining('greeter')]);
    expect(await names()).toEqual(expect.arrayContaining(['base', 'greeter']));
    const published = await template('publish', '--yes', 'greeter');
    expect([published.code, published.stdout]).toEqual([0, expect.stringContaining('greeter')]);
    expect(await isPublic('greeter')).toBe(true);
    expect((await template('unpublish', '--yes', 'greeter')).code).toBe(0);
    expect(await isPublic('greeter')).toBe(false);
    const created = await sandboxCommand('create', '--detach', 'greeter');
    const [id = ''] = /i[a-z0-9]{20}/.exec(created.stdout) ?? [];
    const read = await sandboxCommand('exec', id, 'cat $GREETING /srv/loud.txt');
    expect(read.stdout).toBe('hello from a Dockerfile\nHELLO FROM A DOCKERFILE\n');
    expect((await sandboxCommand('kill', id)).code).toBe(0);
    expect((await template('delete', '--yes', 'greeter')).code).toBe(0);
    expect(await names()).not.toContain('greeter');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
