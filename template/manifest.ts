// The template for the local E2B simulator: a tree laid over a sandbox's root, and a manifest that describes it.
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DEFINITION, TOOLHOST_FILE } from './definition.ts';

/** What the local template is called where nothing else is said. */
export const LOCAL_TEMPLATE: string = DEFINITION.name;

export interface LocalTemplate {
  name: string;
  /** Absolute path of the tree. */
  dir: string;
  startCmd: string;
  readyCmd: string;
  env: Record<string, string>;
  workdir: string;
  user: string;
}

/** Writes tree and manifest below `dir`, over what is there; returns the path of the manifest. */
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
    // Which user id the sandbox's user has is for the simulator to decide.
    await chmod(join(tree, owned), 0o777);
  }
  const manifest: LocalTemplate = { name, dir: tree, startCmd, readyCmd, env: {}, workdir, user };
  const file = join(dir, 'template.json');
  await writeFile(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  return file;
}
