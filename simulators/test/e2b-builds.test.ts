// Template builds by the unmodified SDK: steps, environment of the sandboxes, refusals, cleanup.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, Template, waitForPort } from 'e2b';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let folder: string;
let e2b: E2BSimulator;
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
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state') });
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
/** Number of sandboxes, including those of builds. */
const running = async () => {
  const { sandboxes } = (await e2b.admin('GET', '/state')) as { sandboxes: Record<string, unknown> };
  return Object.keys(sandboxes).length;
};
const ask = async (method: string, path: string, body?: unknown) => {
  const answer = await fetch(`${e2b.url}${path}`, {
    method,
    headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json().catch(() => ({}))) as Record<string, string> };
};
/** Requests a build and uploads the files of its COPY steps under the hash `abc`. */
const prepared = async (name: string, files?: Uint8Array<ArrayBuffer>) => {
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
const ended = async (status: string) => {
  const look = async () => (await ask('GET', status)).body;
  await expect.poll(async () => (await look()).status, { timeout: 30_000 }).toMatch(/ready|error/);
  return look();
};
const disks = () => readdirSync(join(folder, 'state/builds'));

test('has its files, environment, folder and user in every sandbox, and logs its steps', async () => {
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
  // The sandbox of the build has been removed.
  expect(await running()).toBe(0);
});

test('starts its command in every sandbox, and can be the base of other templates', async () => {
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

test('moves its name only when it is ready; a failed build names its step and leaves nothing behind', {
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

test('the base takes the place of similar images, unless a switch refuses that', async () => {
  const words: string[] = [];
  const onBuildLogs = ({ message }: { message: string }) => words.push(message);
  const made = template()
    .fromImage('ubuntu:22.04')
    .makeSymlink('.bashrc', '.bashrc.local')
    .runCmd('test "$(readlink .bashrc.local)" = ".bashrc"')
    .runCmd('test "$(whoami)" = "root"', { user: 'root' });
  await Template.build(made, 'like-ubuntu', { ...connection(), onBuildLogs });
  expect(words.join()).toContain("the simulator's base takes the place of ubuntu:22.04");
  const nobody = template().fromUbuntuImage().runCmd('whoami', { user: 'root123' });
  await expect(Template.build(nobody, 'nobody', connection())).rejects.toThrow(
    "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'root123'",
  );
  await e2b.admin('PATCH', '/switches', { 'template-images': 'refuse' });
  await expect(Template.build(made, 'refused', connection())).rejects.toThrow(/ubuntu:22.04.*fromBaseImage/);
  await e2b.admin('PATCH', '/switches', { 'template-images': 'base' });
});

test('bad requests are refused, and uploads have to be whole', async () => {
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
  expect((await ask('POST', start, {})).status).toBe(400);
  await expect
    .poll(async () => (await ask('GET', `${at}/builds/${body.buildID}/status`)).body)
    .toMatchObject({ status: 'error', reason: { step: '1', message: expect.stringContaining('VOLUME') } });
});

test('all requests for a new name share one template, and the last build of a tag wins', async () => {
  const requested = (name: string) => ask('POST', '/v3/templates', { name });
  const [first, second, other] = await Promise.all(['joint', 'joint', 'joint:other'].map(requested));
  const at = `/templates/${first?.body.templateID}`;
  for (const { body } of [second, other] as { body: Record<string, string> }[])
    expect(body.templateID).toBe(first?.body.templateID);
  const path = (one: typeof first) => `${at}/builds/${one?.body.buildID}`;
  const status = async (one: typeof first) => (await ask('GET', `${path(one)}/status`)).body;
  const start = (one: typeof first, command: string) =>
    ask('POST', `/v2${path(one)}`, { steps: [{ type: 'RUN', args: [command, 'root'] }] });
  expect(await status(first)).toMatchObject({
    status: 'error',
    reason: { message: 'The build was canceled because it was superseded by a newer one.' },
  });
  expect((await start(first, 'true')).status).toBe(400);
  expect((await start(second, 'sleep 60')).status).toBe(202);
  const third = await requested('joint');
  expect((await start(other, 'echo other > /opt/made')).status).toBe(202);
  expect(await status(second)).toMatchObject({ status: 'building' });
  expect((await start(third, 'echo third > /opt/made')).status).toBe(202);
  expect(await status(second)).toMatchObject({ status: 'error', reason: { message: 'build was cancelled' } });
  for (const one of [other, third])
    expect(await ended(`${path(one)}/status`)).toMatchObject({ status: 'ready' });
  expect([await run('joint', 'cat /opt/made'), await run('joint:other', 'cat /opt/made')]).toEqual([
    'third\n',
    'other\n',
  ]);
  expect((await ask('DELETE', '/templates/joint')).status).toBe(204);
  expect((await requested('joint')).body.templateID).not.toBe(first?.body.templateID);
});

test('a name whose builds failed can be deleted, once', async () => {
  const { at, start, status } = await prepared('hopeless');
  await ask('POST', start, { steps: [{ type: 'RUN', args: ['false'] }] });
  expect(await ended(status)).toMatchObject({ status: 'error' });
  expect((await prepared('hopeless')).at).toBe(at);
  expect((await ask('DELETE', '/templates/hopeless')).status).toBe(204);
  expect((await ask('DELETE', '/templates/hopeless')).status).toBe(404);
});

test('a start command that fails while its ready command still waits fails the build', async () => {
  const failing = template().fromBaseImage().setStartCmd('sleep 0.2; echo why; exit 3', 'sleep 5');
  const { templateId, buildId } = await Template.buildInBackground(failing, 'failing', connection());
  expect(await ended(`/templates/${templateId}/builds/${buildId}/status`)).toMatchObject({
    status: 'error',
    reason: { step: 'finalize', message: expect.stringContaining('exit code 3: why') },
  });
});

test('an error of the SDK points to the call whose step failed', async () => {
  const lines = readFileSync(import.meta.filename, 'utf8').split('\n');
  const chains = [
    [template().fromTemplate('nobody'), "fromTemplate('nobody')"],
    [template().fromBaseImage().runCmd('true').runCmd('false'), "runCmd('false')"],
    [template().fromBaseImage().setUser('; exit 1').runCmd('true'), "setUser('; exit 1')"],
    [template().fromBaseImage().runCmd('true').setStartCmd('exit 1', 'false'), 'setStartCmd('],
  ] as const;
  for (const [chain, call] of chains) {
    const error = await Template.build(chain, 'pointing', connection()).catch((each: Error) => each);
    expect(error).toBeInstanceOf(BuildError);
    const [, line, column] = /e2b-builds\.test\.ts:(\d+):(\d+)/.exec((error as Error).stack ?? '') ?? [];
    expect(lines[Number(line) - 1]?.slice(Number(column) - 1, Number(column) - 1 + call.length)).toBe(call);
  }
});

test('logs are returned in parts of a hundred, from an offset, with a minimum level', async () => {
  const logs: string[] = [];
  const made = template().fromBaseImage().runCmd('seq 250; echo bad >&2');
  const onBuildLogs = ({ message }: { message: string }) => logs.push(message);
  const { templateId, buildId } = await Template.build(made, 'talkative', { ...connection(), onBuildLogs });
  expect(logs.filter((line) => /^\d+$/.test(line)).map(Number)).toEqual(
    Array.from({ length: 250 }, (_, n) => n + 1),
  );
  // Earlier log lines are the SDK's own.
  const served = logs.slice(logs.findIndex((line) => line.startsWith('[1/1]')));
  const read = async (query: string) => {
    const { status, body } = await ask('GET', `/templates/${templateId}/builds/${buildId}/status?${query}`);
    return [
      status,
      (body as unknown as { logEntries?: { message: string }[] }).logEntries?.map(({ message }) => message),
    ];
  };
  expect(await read('')).toEqual([200, served.slice(0, 100)]);
  expect(await read('logsOffset=100&limit=3')).toEqual([200, served.slice(100, 103)]);
  expect(await read('logsOffset=900')).toEqual([200, []]);
  expect(await read('level=error')).toEqual([200, ['bad']]);
  for (const bad of ['logsOffset=-1', 'logsOffset=x', 'limit=101', 'level=loud'])
    expect((await read(bad))[0]).toBe(400);
});

test('a missing user is created, unless the name is invalid', async () => {
  const made = template().fromBaseImage().setUser('worker').runCmd('id -un > ~/who');
  await Template.build(made, 'worked', connection());
  expect(await run('worked', 'cat ~/who; id -un; echo $HOME')).toBe('worker\nworker\n/home/worker\n');
});

/** A hand-made archive, unlike those of the SDK: a link, a device, or a small file. */
function tarOf(
  entries: { name: string; type?: string; link?: string; text?: string }[],
): Buffer<ArrayBuffer> {
  const blocks = entries.map(({ name, type = '0', link = '', text = '' }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
    for (const [at, field] of [
      [0, name],
      [100, octal(0o644, 7)],
      [108, octal(0, 7)],
      [116, octal(0, 7)],
      [124, octal(text.length, 11)],
      [136, octal(0, 11)],
      [148, ' '.repeat(8)],
      [156, type],
      [157, link],
      [257, 'ustar\u000000'],
      [329, octal(1, 7)],
      [337, octal(3, 7)],
    ] as const)
      header.write(field, at, 'latin1');
    header.write(
      octal(
        header.reduce((sum, byte) => sum + byte),
        6,
      ),
      148,
      'latin1',
    );
    const body = Buffer.alloc(text ? 512 : 0);
    body.write(text);
    return Buffer.concat([header, body]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

test.each([
  ['a way up', [{ name: '../evil', text: 'x' }], 'error'],
  [
    'a link that leads out, and a file behind it',
    [
      { name: 'out', type: '2', link: '/etc' },
      { name: 'out/evil', text: 'x' },
    ],
    'error',
  ],
  ['a hard link to a file of the system', [{ name: 'evil', type: '1', link: '/etc/passwd' }], 'error'],
  ['a device', [{ name: 'evil', type: '3' }], 'error'],
  ['what is no archive', undefined, 'error'],
  ['an absolute path', [{ name: '/etc/evil', text: 'x' }], 'ready'],
])('an archive with %s reaches nothing outside of it', async (_what, entries, status) => {
  const {
    at,
    start,
    status: path,
  } = await prepared('hostile', entries ? tarOf(entries) : Buffer.from('no archive'));
  const steps = [
    { type: 'COPY', args: ['.', '/opt/copied', 'root'], filesHash: 'abc' },
    { type: 'RUN', args: ['test ! -e /etc/evil && test -s /etc/passwd', 'root'] },
  ];
  expect((await ask('POST', start, { steps })).status).toBe(202);
  expect(await ended(path)).toMatchObject({
    status,
    ...(status === 'error'
      ? { reason: { step: '1', message: expect.stringContaining('failed to COPY .') } }
      : {}),
  });
  expect(await running()).toBe(0);
  await ask('DELETE', at);
});

test('files must be uploaded and used within an hour, and are then kept as long as the template', async () => {
  const later = () => e2b.admin('POST', '/clock', { advanceMs: 3_600_001 });
  const files = tarOf([{ name: 'a', text: 'a' }]);
  const present = async (at: string) => (await ask('GET', `${at}/files/abc`)).body.present;
  const stored = () => existsSync(join(folder, 'state/uploads/abc'));
  const unused = await prepared('unused', files);
  expect(await present(unused.at)).toBe(true);
  await later();
  await expect.poll(stored).toBe(false);
  expect(await present(unused.at)).toBe(false);
  expect((await fetch(unused.link.url ?? '', { method: 'PUT', body: files })).status).toBe(404);

  const used = await prepared('used', files);
  await ask('POST', used.start, { steps: [{ type: 'COPY', args: ['a', '/opt/a'], filesHash: 'abc' }] });
  expect(await ended(used.status)).toMatchObject({ status: 'ready' });
  await later();
  expect(await present(used.at)).toBe(true);
  expect((await ask('DELETE', used.at)).status).toBe(204);
  expect(stored()).toBe(false);
});

test('files that are too large, or have no declared size, are refused before the upload', async () => {
  const { link } = await prepared('large');
  const put = (headers: Record<string, string>) =>
    new Promise((resolve, reject) => {
      const outgoing = request(link.url ?? '', { method: 'PUT', headers }, ({ statusCode }) => {
        resolve(statusCode);
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      outgoing.flushHeaders();
    });
  expect(await put({ 'content-length': String(1024 ** 3 + 1) })).toBe(413);
  expect(await put({ 'transfer-encoding': 'chunked' })).toBe(411);
});

test('deleting a template cancels its builds, even before the first is ready', async () => {
  for (const before of [false, true]) {
    if (before) await Template.build(template().fromBaseImage().runCmd('true'), 'doomed', connection());
    const slow = template().fromBaseImage().runCmd('sleep 60');
    const { templateId, buildId } = await Template.buildInBackground(slow, 'doomed', connection());
    const status = `/templates/${templateId}/builds/${buildId}/status`;
    await expect.poll(running).toBe(1);
    expect((await ask('DELETE', `/templates/${templateId}`)).status).toBe(204);
    expect((await ask('GET', status)).body).toMatchObject({
      status: 'error',
      reason: { message: 'the template was deleted before it was built' },
    });
    await expect.poll(running).toBe(0);
    await expect.poll(disks).not.toContain(buildId);
    expect((await ask('DELETE', `/templates/${templateId}`)).status).toBe(404);
    expect(await Template.exists('doomed', connection())).toBe(false);
  }
});

test('a build does not continue after a restart of the simulator, and its reason says so', async () => {
  const slow = template().fromBaseImage().runCmd('sleep 60');
  const { templateId, buildId } = await Template.buildInBackground(slow, 'interrupted', connection());
  const { status: waiting } = await prepared('never-started');
  await expect.poll(running).toBe(1);
  await e2b.close({ keep: true });
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state') });
  for (const path of [`/templates/${templateId}/builds/${buildId}/status`, waiting])
    expect((await ask('GET', path)).body).toMatchObject({
      status: 'error',
      reason: { message: 'the simulator ended before the build did' },
    });
  expect(await running()).toBe(0);
});

test('survives a restart, and is deleted with its disk', async () => {
  await Template.build(template().fromBaseImage().runCmd('echo kept > kept'), 'lasting', connection());
  const alive = await e2b.Sandbox.create('lasting');
  await e2b.close({ keep: true });
  // Like the remains of an interrupted build.
  await mkdir(join(folder, 'state/builds/unfinished'));
  e2b = await startE2BSimulator({ stateDir: join(folder, 'state') });
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
