/** Where the folder of a sandbox goes when it ends: for whoever asks afterwards what it had done. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxRecord } from './record.ts';

/** Notes in the sandbox's folder whose it was; gives the place below `removedFolder` that it is to be moved to. */
export async function placeForRemoved(
  { id, metadata, startedAt, dir }: SandboxRecord,
  removedFolder: string,
  removedAt: number,
): Promise<string> {
  await mkdir(removedFolder, { recursive: true, mode: 0o711 });
  const told = JSON.stringify({ id, metadata, startedAt, removedAt });
  // Without a folder there is nothing to tell of.
  await writeFile(join(dir, 'record.json'), told).catch(() => undefined);
  return join(removedFolder, id);
}
