/** Programs that E2B's base has and that local sandboxes see only where the host has them, below its `/usr`. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { join } from 'node:path';

/** The name under which each is known, and a program of it. Node is not among them: sandboxes bring their own. */
const TOOLS: Record<string, string> = {
  npm: 'npm',
  python3: 'python3',
  git: 'git',
  curl: 'curl',
  jq: 'jq',
  ripgrep: 'rg',
  procps: 'ps',
  tree: 'tree',
  unzip: 'unzip',
  tar: 'tar',
  sudo: 'sudo',
};

const FOLDERS = ['local/sbin', 'local/bin', 'sbin', 'bin'];

/** Names of the tools that sandboxes on this host are without, unless a template brings them. */
export function missingTools(usr = '/usr'): string[] {
  const inside = `${realpathSync(usr)}/`;
  const isThere = (program: string) =>
    FOLDERS.some((folder) => {
      const path = join(usr, folder, program);
      try {
        accessSync(path, constants.X_OK);
        // A link to another part of the host leads nowhere inside.
        return realpathSync(path).startsWith(inside);
      } catch {
        return false;
      }
    });
  return Object.keys(TOOLS).filter((name) => !isThere(TOOLS[name] as string));
}
