/** Programs that E2B's base has and that local sandboxes see only where the host has them, below its `/usr`. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { IS_ROOT } from './owner.ts';

/** The name under which each is known, and a program of it. Sandboxes bring their own Node, `python` and `sudo`. */
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
 * Names of the tools that sandboxes on this host are without, unless a template brings them. Nobody in a sandbox
 * becomes another user unless the simulator runs as root.
 */
export function missingTools(usr = '/usr', isRoot = IS_ROOT): string[] {
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
  const missing = Object.keys(TOOLS).filter((name) => !isThere(TOOLS[name] as string));
  return isRoot ? missing : [...missing, 'sudo'];
}
