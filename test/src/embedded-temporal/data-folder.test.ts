// A data folder belongs to one router, whose death frees it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runningServer, writeRecord } from '../../../src/config/running-server.ts';
import { takeDataFolder } from '../../../src/embedded-temporal/data-folder.ts';
import { projectPath } from '../../../src/paths.ts';

let parent: string;
let folder: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'data-folder-'));
  folder = join(parent, 'data');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

it('is taken once, and again after its release; git ignores it', async () => {
  const first = await takeDataFolder(folder);
  expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('*\n');
  await expect(takeDataFolder(folder)).rejects.toThrow(`Another router runs on the data folder ${folder}.`);
  await first.release();
  await (await takeDataFolder(folder)).release();
});

it('is free again when its router was killed', async () => {
  const module = JSON.stringify(projectPath('src/embedded-temporal/data-folder.ts'));
  const code = `const { takeDataFolder } = await import(${module});
    await takeDataFolder(${JSON.stringify(folder)}); console.log('taken'); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(other.stdout, 'data');
  await expect(takeDataFolder(folder)).rejects.toThrow('ROUTER_DATA_FOLDER');
  other.kill('SIGKILL');
  await once(other, 'exit');
  await (await takeDataFolder(folder)).release();
});

it('names the setting where the folder cannot be used', async () => {
  await expect(takeDataFolder(join(process.execPath, 'x'))).rejects.toThrow(/ENOTDIR.*ROUTER_DATA_FOLDER/s);
  await expect(takeDataFolder(join(parent, 'x'.repeat(120)))).rejects.toThrow(
    /too long.*ROUTER_DATA_FOLDER/s,
  );
  if (process.getuid?.() === 0) return;
  chmodSync(parent, 0o500);
  await expect(takeDataFolder(folder)).rejects.toThrow(/EACCES.*ROUTER_DATA_FOLDER/s);
  chmodSync(parent, 0o700);
});

it('names the server that runs in it, and none that has ended', async () => {
  const { release } = await takeDataFolder(folder);
  const record = { address: '127.0.0.1:7233', uiUrl: 'http://127.0.0.1:8233', namespace: 'default' };
  writeRecord(folder, { ...record, pid: process.pid });
  expect(runningServer(folder)).toEqual({ ...record, pid: process.pid });
  const ended = spawn('true');
  await once(ended, 'exit');
  writeRecord(folder, { ...record, pid: ended.pid as number });
  expect(runningServer(folder)).toBeUndefined();
  await release();
});
