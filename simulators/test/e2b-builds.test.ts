// Template builds by the unmodified SDK: steps, environment of the sandboxes, failures and their messages.
import { readFileSync } from 'node:fs';
import { BuildError, Template, waitForPort } from 'e2b';
import { expect, test } from 'vitest';
import { connection, disks, e2b, ended, run, running, template } from './e2b-template-builds.ts';

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

test('a missing user is created, unless the name is invalid', async () => {
  const made = template().fromBaseImage().setUser('worker').runCmd('id -un > ~/who');
  await Template.build(made, 'worked', connection());
  expect(await run('worked', 'cat ~/who; id -un; echo $HOME')).toBe('worker\nworker\n/home/worker\n');
});
