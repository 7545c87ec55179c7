// At its start the simulator names the tools that the host lacks.
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { missingTools } from '../e2b/isolation/host-tools.ts';
import { startE2BSimulator } from './e2b-simulator.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-tools-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('counts executable programs below /usr only', async () => {
  const usr = join(folder, 'usr');
  for (const path of ['bin', 'local/bin', 'lib/git-core']) await mkdir(join(usr, path), { recursive: true });
  const all = missingTools(usr);
  expect(all).toEqual(expect.arrayContaining(['npm', 'ripgrep', 'procps', 'git daemon']));
  expect(missingTools(usr, true)).not.toContain('sudo');
  expect(missingTools(usr, false)).toContain('sudo');
  for (const path of ['bin/git', 'lib/git-core/git-daemon', 'local/bin/rg', 'bin/jq', '../elsewhere']) {
    await writeFile(join(usr, path), '');
    await chmod(join(usr, path), path === 'bin/jq' ? 0o644 : 0o755);
  }
  await symlink('git', join(usr, 'bin/curl'));
  await symlink('../../elsewhere', join(usr, 'bin/tree'));
  expect(missingTools(usr)).toEqual(
    all.filter((name) => !['git', 'git daemon', 'ripgrep', 'curl'].includes(name)),
  );
});

test('the log names missing tools once, and sandboxes have the others', async () => {
  const lines: string[] = [];
  const e2b = await startE2BSimulator({ log: (line) => lines.push(line) });
  try {
    const missing = missingTools();
    const said = lines.filter((line) => line.includes('this host lacks'));
    expect(said).toHaveLength(missing.length > 0 ? 1 : 0);
    for (const name of missing) expect(said[0]).toContain(name);
    const sandbox = await e2b.Sandbox.create();
    const look = async (program: string) =>
      (await sandbox.commands.run(`command -v ${program} || true`)).stdout !== '';
    for (const name of ['git', 'curl', 'jq', 'tree', 'unzip', 'tar', 'python3', 'npm'])
      expect([name, await look(name)]).toEqual([name, !missing.includes(name)]);
    expect(await look('python')).toBe(!missing.includes('python3'));
  } finally {
    await e2b.end();
  }
});
