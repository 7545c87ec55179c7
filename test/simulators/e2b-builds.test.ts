// Templates that the unmodified SDK builds: their steps, what their sandboxes start with, what is refused, what is left.
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, Template, waitForPort } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StandIn, standIn } from './e2b-stand-in.ts';

let folder: string;
let e2b: StandIn;
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
  e2b = await standIn({ stateDir: join(folder, 'state') });
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});

const connection = () => ({ apiKey: e2b.apiKey, apiUrl: e2b.url, retries: 0 });
const template = () => Template({ fileContextPath: folder });
const run = async (name: string, command: string) => {
  const sandbox = await e2b.Sandbox.create(name);
  try {
    return (await sandbox.commands.run(command)).stdout;
  } finally {
    await sandbox.kill();
  }
};
/** Those that builds are made in are counted, too. */
const running = async () => {
  const { sandboxes } = (await e2b.admin('GET', '/state')) as { sandboxes: Record<string, unknown> };
  return Object.keys(sandboxes).length;
};
const disks = () => readdirSync(join(folder, 'state/builds')).filter((name) => name !== 'files');

test('has its files, environment, folder and user in every sandbox, and tells how it was made', async () => {
  const made = template()
    .fromBaseImage()
    .setEnvs({ COLOUR: 'green', PATHS: '/opt/$COLOUR:$HOME' })
    .setUser('root')
    .runCmd('echo built > /opt/built; echo to-stdout; echo to-stderr >&2')
    .setUser('user')
    .setWorkdir('/home/user/work')
    .copy('app', 'copied')
    .copy('one.md', 'renamed.md', { mode: 0o600 })
    .copy('*.md', '/home/user/docs/', { user: 'root' })
    .runCmd(['pwd > where', 'id -un > who']);
  const logs: string[] = [];
  const info = await Template.build(made, 'mine:v1', {
    ...connection(),
    tags: ['stable'],
    onBuildLogs: ({ message }) => logs.push(message),
  });
  expect(info).toMatchObject({ name: 'mine:v1', tags: ['v1', 'stable'] });
  expect(logs).toEqual(expect.arrayContaining(['to-stdout', 'to-stderr', 'Build finished']));
  const look =
    'cat /opt/built copied/a.txt copied/sub/b.txt renamed.md where who; pwd; echo "$COLOUR $PATHS"; ' +
    'stat -c "%a %U" renamed.md /home/user/docs/two.md; ls /home/user/docs';
  const seen =
    'built\nabone/home/user/work\nuser\n/home/user/work\ngreen /opt/green:/home/user\n600 user\n644 root\none.md\ntwo.md\nwith spaces.md\n';
  expect(await run('mine:v1', look)).toBe(seen);
  expect(await run('mine:stable', look)).toBe(seen);
  await expect(e2b.Sandbox.create('mine')).rejects.toThrow(/not found/);
  // The sandbox it was built in is gone.
  expect(await running()).toBe(0);
});

test('starts its command in every sandbox, once that is ready, and is the beginning of others', async () => {
  const server = template()
    .fromTemplate('base')
    .runCmd('mkdir -p site; echo hello > site/index.html')
    .setStartCmd('cd site && exec python3 -m http.server 8123', waitForPort(8123));
  await Template.build(server, 'server', connection());
  const curl = 'curl -s http://127.0.0.1:8123/';
  expect(await run('server', curl)).toBe('hello\n');
  const more = template().fromTemplate('server').runCmd('echo more > more');
  await Template.build(more, 'more', connection());
  expect(await run('more', 'cat more site/index.html')).toBe('more\nhello\n');
});

test('moves its name only when it is ready; a step that fails is named, and nothing is left', {
  timeout: 90_000,
}, async () => {
  await Template.build(template().fromBaseImage().runCmd('echo 1 > version'), 'moving', connection());
  const broken = template().fromBaseImage().runCmd('echo 2 > version').runCmd('echo why >&2; exit 3');
  await expect(Template.build(broken, 'moving', connection())).rejects.toThrow(
    "failed to run command 'echo why >&2; exit 3': exit status 3: why",
  );
  expect(await run('moving', 'cat version')).toBe('1\n');
  await Template.build(template().fromBaseImage().runCmd('echo 3 > version'), 'moving', connection());
  expect(await run('moving', 'cat version')).toBe('3\n');
  const unready = template().fromBaseImage().setStartCmd('exit 1', 'false');
  const background = await Template.buildInBackground(unready, 'unready', connection());
  expect((await Template.getBuildStatus(background, connection())).status).toBe('building');
  const status = async () => (await Template.getBuildStatus(background, connection())).status;
  await expect.poll(status, { timeout: 60_000, interval: 500 }).toBe('error');
  expect(await running()).toBe(0);
  expect(disks()).not.toContain(background.buildId);
});

test.each([
  [
    'packages',
    () => template().fromBaseImage().runCmd('true').pipInstall(['numpy']),
    /step 2, RUN pip install numpy/,
  ],
  ['system packages', () => template().fromBaseImage().aptInstall(['vim']), /step 1, RUN apt-get update/],
  ['an image of others', () => template().fromAlpineImage(), /alpine.*fromBaseImage/],
  ['a template that is not there', () => template().fromTemplate('nobody'), /nobody.*not found/],
])('says what cannot be done here: %s', async (_what, made, told) => {
  const failing = Template.build(made(), 'refused', connection());
  await expect(failing).rejects.toThrow(told);
  await expect(failing).rejects.toBeInstanceOf(BuildError);
  expect(await Template.exists('refused', connection())).toBe(false);
});

test('the base takes the place of images that are like it, unless a switch refuses that', async () => {
  const words: string[] = [];
  const onBuildLogs = ({ message }: { message: string }) => words.push(message);
  const made = template()
    .fromImage('ubuntu:22.04')
    .makeSymlink('.bashrc', '.bashrc.local')
    .runCmd('test "$(readlink .bashrc.local)" = ".bashrc"')
    .runCmd('test "$(whoami)" = "root"', { user: 'root' });
  await Template.build(made, 'like-ubuntu', { ...connection(), onBuildLogs });
  expect(words.join()).toContain("the stand-in's base takes the place of ubuntu:22.04");
  const nobody = template().fromUbuntuImage().runCmd('whoami', { user: 'root123' });
  await expect(Template.build(nobody, 'nobody', connection())).rejects.toThrow(
    "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'root123'",
  );
  await e2b.admin('PATCH', '/switches', { 'template-images': 'refuse' });
  await expect(Template.build(made, 'refused', connection())).rejects.toThrow(/ubuntu:22.04.*fromBaseImage/);
  await e2b.admin('PATCH', '/switches', { 'template-images': 'base' });
});

test('bad requests are refused, and uploads have to be whole', async () => {
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${e2b.url}${path}`, {
      method,
      headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json().catch(() => ({}))) as Record<string, string> };
  };
  expect((await ask('POST', '/v3/templates', { name: '../up' })).status).toBe(400);
  expect((await ask('POST', '/v3/templates', { name: 'base' })).status).toBe(403);
  const { body } = await ask('POST', '/v3/templates', { name: 'asked' });
  const at = `/templates/${body.templateID}`;
  expect((await ask('GET', `${at}/builds/none/status`)).status).toBe(404);
  expect((await ask('GET', '/templates/none/files/abc')).status).toBe(404);
  expect((await ask('GET', `${at}/files/${encodeURIComponent('../../x')}`)).status).toBe(400);
  const { body: link } = await ask('GET', `${at}/files/abc`);
  expect(link.present).toBe(false);
  expect((await fetch(`${link.url}x`, { method: 'PUT', body: 'x' })).status).toBe(404);
  expect((await fetch(link.url ?? '', { method: 'PUT', body: 'whole' })).status).toBe(200);
  expect((await ask('GET', `${at}/files/abc`)).body.present).toBe(true);
  const start = `/v2${at}/builds/${body.buildID}`;
  expect((await ask('POST', start, { steps: 'none' })).status).toBe(400);
  expect((await ask('POST', start, { steps: [{ type: 'VOLUME', args: ['/x'] }] })).status).toBe(202);
  expect((await ask('POST', start, {})).status).toBe(409);
  await expect
    .poll(async () => (await ask('GET', `${at}/builds/${body.buildID}/status`)).body)
    .toMatchObject({ status: 'error', reason: { step: '1', message: expect.stringContaining('VOLUME') } });
});

test('lasts over a restart, and is deleted with its disk', async () => {
  await Template.build(template().fromBaseImage().runCmd('echo kept > kept'), 'lasting', connection());
  const alive = await e2b.Sandbox.create('lasting');
  await e2b.close({ keep: true });
  // As a build leaves it that was cut off.
  await mkdir(join(folder, 'state/builds/unfinished'));
  e2b = await standIn({ stateDir: join(folder, 'state') });
  expect(await run('lasting', 'cat kept')).toBe('kept\n');
  const before = disks().length;
  const remove = (name: string) =>
    fetch(`${e2b.url}/templates/${name}`, { method: 'DELETE', headers: { 'x-api-key': e2b.apiKey } });
  expect((await remove('lasting')).status).toBe(204);
  expect((await remove('lasting')).status).toBe(404);
  expect((await remove('base')).status).toBe(403);
  expect(disks()).toHaveLength(before - 1);
  expect(existsSync(join(folder, 'state/builds/unfinished'))).toBe(false);
  await expect(e2b.Sandbox.create('lasting')).rejects.toThrow(/not found/);
  const again = await e2b.Sandbox.connect(alive.sandboxId);
  expect((await again.commands.run('cat kept')).stdout).toBe('kept\n');
  await again.kill();
});
