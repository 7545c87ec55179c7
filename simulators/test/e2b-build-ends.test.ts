// Template builds that are cut off by a deletion or a restart, and what is left of them.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Template } from 'e2b';
import { expect, test } from 'vitest';
import {
  ask,
  connection,
  disks,
  e2b,
  folder,
  prepared,
  run,
  running,
  startAgain,
  template,
} from './e2b-template-builds.ts';

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
  await startAgain();
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
  await startAgain();
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
