/** Keeps the disks of removed sandboxes, so that tests can read what a sandbox had done. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxRecord } from './record.ts';

/** Writes `record.json` into the sandbox's folder. Returns the path below `removedFolder` to move the folder to. */
export async function prepareRemovedDisk(
  { id, metadata, startedAt, dir }: SandboxRecord,
  removedFolder: string,
  removedAt: number,
): Promise<string> {
  await mkdir(removedFolder, { recursive: true, mode: 0o711 });
  const record = JSON.stringify({ id, metadata, startedAt, removedAt });
  // A sandbox that never started has no folder.
  await writeFile(join(dir, 'record.json'), record).catch(() => undefined);
  return join(removedFolder, id);
}
