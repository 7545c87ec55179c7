// How long a copy of many output files takes: `node bench/outputs.ts [FILES]`, against a toolhost on this machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { copyFiles } from '../activities/outputs/copy-files.ts';
import { usableNames } from '../activities/outputs/names.ts';
import { progressOf } from '../activities/outputs/progress.ts';
import { Toolhost } from '../src/clients/toolhost.ts';
import { DirectoryStore } from '../src/outputs/directory.ts';
import { projectPath } from '../src/paths.ts';

const count = Number(process.argv[2] ?? 9_500);
const folder = mkdtempSync(join(tmpdir(), 'bench-outputs-'));
const workdir = join(folder, 'session');
for (let index = 0; index < count; index += 1) {
  const dir = join(workdir, 'outputs', String(index % 100));
  if (index < 100) mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${index}.txt`), `file ${index}\n`.repeat(100));
}
const env = {
  PATH: process.env.PATH,
  TOOLHOST_HOST: '127.0.0.1',
  TOOLHOST_PORT: '0',
  TOOLHOST_WORKDIR: workdir,
  TOOLHOST_STATE: join(folder, 'state'),
  TOOLHOST_LOG: join(folder, 'log'),
};
const child = spawn(process.execPath, [projectPath('bundles/toolhost.mjs')], {
  env,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [line] = (await once(child.stdout, 'data')) as [Buffer];
const toolhost = new Toolhost({
  origin: `http://127.0.0.1:${JSON.parse(line.toString()).port}`,
  headers: {},
});
const { names } = usableNames((await toolhost.outputs()).files);

for (const atOnce of [1, 8]) {
  const store = new DirectoryStore({ kind: 'directory', path: join(folder, `copy-${atOnce}`) });
  const progress = progressOf(null);
  const startedAt = performance.now();
  const job = { toolhost: async () => toolhost, store, sessionId: 's', prefix: 'e/s', progress };
  await new MockActivityEnvironment().run(() =>
    copyFiles(job, names, { bytes: Number.POSITIVE_INFINITY, atOnce }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(`${atOnce} at once: ${progress.files} files in ${seconds.toFixed(1)} s\n`);
}
child.kill();
rmSync(folder, { recursive: true, force: true });
