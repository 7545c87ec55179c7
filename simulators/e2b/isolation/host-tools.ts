/** Programs of E2B's base that local sandboxes have only if the host has them below `/usr`. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { IS_ROOT } from './owner.ts';

/** Name of each tool, and one of its programs. Node, `python` and `sudo` come with the sandbox. */
const TOOLS: Record<string, string> = {
  npm: 'npm',
  python3: 'python3',
  git: 'git',
  'git daemon': 'git-daemon',
  curl: 'curl',
  jq: 'jq',
  ripgrep: 'rg',
  procps: 'ps',
  tree: 'tree',
  unzip: 'unzip',
  tar: 'tar',
};

const FOLDERS = ['local/sbin', 'local/bin', 'sbin', 'bin', 'lib/git-core', 'libexec/git-core'];

/**
 * Names of the tools that sandboxes on this host lack, unless a template brings them. `sudo` works only if the
 * simulator runs as root.
 */
export function missingTools(usr = '/usr', isRoot = IS_ROOT): string[] {
  const inside = `${realpathSync(usr)}/`;
  const isThere = (program: string) =>
    FOLDERS.some((folder) => {
      const path = join(usr, folder, program);
      try {
        accessSync(path, constants.X_OK);
        // A link to a path outside `/usr` is broken inside a sandbox.
        return realpathSync(path).startsWith(inside);
      } catch {
        return false;
      }
    });
  const missing = Object.keys(TOOLS).filter((name) => !isThere(TOOLS[name] as string));
  return isRoot ? missing : [...missing, 'sudo'];
}
