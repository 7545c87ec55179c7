// The sandboxes' template in terms of E2B's builder.
import { basename, dirname } from 'node:path';
import { Template, type TemplateClass } from 'e2b';
import { DEFINITION, TOOLHOST_FILE } from './definition.ts';

/** Node 24 on Debian: the toolset needs 22, and an even release is maintained for years. */
const NODE_IMAGE = '24-bookworm-slim';

/** What agents expect of a machine, over and above what the slim image has. */
const PACKAGES = [
  ...['bash', 'ca-certificates', 'curl', 'file', 'git', 'jq', 'less', 'openssh-client', 'procps', 'python3'],
  ...['python3-pip', 'python3-venv', 'ripgrep', 'sudo', 'tree', 'unzip', 'xz-utils', 'zip'],
];

/** The template with the toolhost of the given file (bundled: `bundles/toolhost.mjs`) as its start command. */
export function sandboxTemplate(toolhostFile: string): TemplateClass {
  const { user, workdir, ownedDirs, startCmd, readyCmd } = DEFINITION;
  const dirs = ownedDirs.join(' ');
  return (
    Template({ fileContextPath: dirname(toolhostFile) })
      .fromNodeImage(NODE_IMAGE)
      .aptInstall(PACKAGES, { noInstallRecommends: true })
      .runCmd(`mkdir -p ${dirs} && chown ${user}:${user} ${dirs}`, { user: 'root' })
      // Last of the slow steps: a new toolhost rebuilds nothing else. It is root's, so that no command changes it.
      .copy(basename(toolhostFile), TOOLHOST_FILE, { user: 'root', mode: 0o644 })
      .setUser(user)
      .setWorkdir(workdir)
      .setStartCmd(startCmd, readyCmd)
  );
}
