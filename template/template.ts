// The template of the sandboxes for E2B's template builder.
import { basename, dirname } from 'node:path';
import { Template, type TemplateClass } from 'e2b';
import { DEFINITION, TOOLHOST_FILE } from './definition.ts';

/** Node 24 on Debian. Anthropic's toolset needs Node 22, and releases with even numbers are maintained for years. */
const NODE_IMAGE = '24-bookworm-slim';

/** Programs that agents expect on a machine and that the slim image lacks. */
const PACKAGES = [
  ...['bash', 'ca-certificates', 'curl', 'file', 'git', 'jq', 'less', 'openssh-client', 'procps', 'python3'],
  ...['python3-pip', 'python3-venv', 'ripgrep', 'sudo', 'tree', 'unzip', 'xz-utils', 'zip'],
];

/** Builds the template's definition. @param toolhostFile path of the bundled toolhost (`bundles/toolhost.mjs`) */
export function sandboxTemplate(toolhostFile: string): TemplateClass {
  const { user, workdir, ownedDirs, startCmd, readyCmd } = DEFINITION;
  const dirs = ownedDirs.join(' ');
  return (
    Template({ fileContextPath: dirname(toolhostFile) })
      .fromNodeImage(NODE_IMAGE)
      .aptInstall(PACKAGES, { noInstallRecommends: true })
      .runCmd(`mkdir -p ${dirs} && chown ${user}:${user} ${dirs}`, { user: 'root' })
      // After the slow steps, so that a new toolhost does not rebuild them. Owned by root, so that no command
      // changes it by accident.
      .copy(basename(toolhostFile), TOOLHOST_FILE, { user: 'root', mode: 0o644 })
      .setUser(user)
      .setWorkdir(workdir)
      .setStartCmd(startCmd, readyCmd)
  );
}
