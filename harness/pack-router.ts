// The npm package of this clone, packed as for the registry.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectPath } from '../src/paths.ts';

/** @returns path of the package in the folder */
export async function packRouter(folder: string): Promise<string> {
  const lock = projectPath('.cache/pack.lock');
  mkdirSync(projectPath('.cache'), { recursive: true });
  // Packing builds `dist/` anew, which another test may be packing.
  const args = [lock, 'npm', 'pack', '--json', '--pack-destination', folder];
  const { stdout } = await promisify(execFile)('flock', args, { cwd: projectPath('') });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return join(folder, filename);
}
