// Writes the template for the local E2B simulator: files to lay over a sandbox's root, and a manifest that describes them.
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DEFINITION, TOOLHOST_FILE } from './definition.ts';

/** Default name of the local template. */
export const LOCAL_TEMPLATE: string = DEFINITION.name;

export interface LocalTemplate {
  name: string;
  /** Absolute path of the directory that is laid over the root. */
  dir: string;
  startCmd: string;
  readyCmd: string;
  env: Record<string, string>;
  workdir: string;
  user: string;
}

/**
 * Writes files and manifest below `dir` and replaces what is there.
 * @param toolhostFile path of the bundled toolhost
 * @returns the path of the manifest
 */
export async function writeLocalTemplate(
  dir: string,
  toolhostFile: string,
  name = LOCAL_TEMPLATE,
): Promise<string> {
  const tree = join(dir, 'root');
  const { user, workdir, ownedDirs, startCmd, readyCmd } = DEFINITION;
  await mkdir(dirname(join(tree, TOOLHOST_FILE)), { recursive: true });
  await copyFile(toolhostFile, join(tree, TOOLHOST_FILE));
  for (const owned of ownedDirs) {
    await mkdir(join(tree, owned), { recursive: true });
    // Writable for all, because only the simulator knows the user id of the sandbox's user.
    await chmod(join(tree, owned), 0o777);
  }
  const manifest: LocalTemplate = { name, dir: tree, startCmd, readyCmd, env: {}, workdir, user };
  const file = join(dir, 'template.json');
  await writeFile(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  return file;
}
