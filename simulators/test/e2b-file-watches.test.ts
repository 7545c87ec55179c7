// Watches of the folders of a local sandbox.
import { FileNotFoundError, FilesystemEventType } from 'e2b';
import { describe, expect, test } from 'vitest';
import { e2b, run, sandbox } from './e2b-one-sandbox.ts';
import { routing } from './e2b-raw.ts';

describe('watching', () => {
  test('reports each kind of change, with its entry', async () => {
    const seen: string[] = [];
    await sandbox.files.write('watched/old.txt', 'x');
    const handle = await sandbox.files.watchDir(
      'watched',
      ({ type, name, entry }) => void seen.push(`${type} ${name} ${entry?.size ?? '-'}`),
      { includeEntry: true },
    );
    await run('cd /home/user/watched; echo long > old.txt');
    await expect.poll(() => seen).toContain(`${FilesystemEventType.WRITE} old.txt 5`);
    await run('chmod 600 /home/user/watched/old.txt');
    await expect.poll(() => seen).toContain('chmod old.txt 5');
    await run('mv /home/user/watched/old.txt /home/user/watched/new.txt');
    await expect.poll(() => seen.slice(-2)).toEqual(['rename old.txt -', 'create new.txt 5']);
    await sandbox.files.remove('watched/new.txt');
    await expect.poll(() => seen.at(-1)).toBe('remove new.txt -');
    // Changes in subfolders are not reported, because the watch is not recursive.
    await sandbox.files.write('watched/sub/deep.txt', 'x');
    await expect.poll(() => seen.at(-1)).toMatch(/^(create|chmod) sub \d+$/);
    await handle.stop();
    expect(seen.some((line) => line.includes('deep'))).toBe(false);
  });

  test('follows new folders at once, if it is recursive', async () => {
    const seen: string[] = [];
    await sandbox.files.makeDir('deep');
    const handle = await sandbox.files.watchDir(
      'deep',
      ({ type, name }) => void seen.push(`${type} ${name}`),
      {
        recursive: true,
      },
    );
    await run('mkdir -p /home/user/deep/a/b && echo x > /home/user/deep/a/b/c.txt');
    await expect.poll(() => seen).toContain('write a/b/c.txt');
    expect(seen).toContain('create a');
    await run('mv /home/user/deep/a /home/user/deep/z && echo y >> /home/user/deep/z/b/c.txt');
    await expect.poll(() => seen).toContain('write z/b/c.txt');
    await handle.stop();
  });

  test('keeps changes for clients that fetch them', async () => {
    const call = async (method: string, body: unknown) => {
      const answer = await fetch(`${e2b.url}/filesystem.Filesystem/${method}`, {
        method: 'POST',
        headers: { ...routing(sandbox), 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return [answer.status, await answer.json()] as const;
    };
    await sandbox.files.makeDir('fetched');
    const [, { watcherId }] = (await call('CreateWatcher', { path: 'fetched' })) as [
      number,
      { watcherId: string },
    ];
    await sandbox.files.write('fetched/a', 'x');
    const seen: { name: string; type: string }[] = [];
    await expect
      .poll(async () => {
        const [, { events = [] }] = (await call('GetWatcherEvents', { watcherId })) as [
          number,
          { events?: typeof seen },
        ];
        seen.push(...events);
        return seen.map(({ name, type }) => `${type} ${name}`);
      })
      .toEqual(expect.arrayContaining(['EVENT_TYPE_CREATE a', 'EVENT_TYPE_WRITE a']));
    expect(await call('RemoveWatcher', { watcherId })).toEqual([200, {}]);
    expect(await call('GetWatcherEvents', { watcherId })).toEqual([
      404,
      { code: 'not_found', message: expect.stringContaining(watcherId) },
    ]);
  });

  test('refuses what is no folder', async () => {
    await expect(sandbox.files.watchDir('none', () => undefined)).rejects.toBeInstanceOf(FileNotFoundError);
    await sandbox.files.write('file.txt', 'x');
    await expect(sandbox.files.watchDir('file.txt', () => undefined)).rejects.toThrow('not a directory');
  });
});
