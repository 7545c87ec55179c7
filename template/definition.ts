// Defines the template of the sandboxes, for E2B (template.ts) and for the local E2B simulator (manifest.ts).
import { posix } from 'node:path';
import { DEFAULTS } from '../toolhost/config.ts';

/** Path of the toolhost in a sandbox. */
export const TOOLHOST_FILE = '/opt/toolhost/toolhost.mjs';

export const DEFINITION = {
  /** Default name of the template; also the default of E2B_TEMPLATE. */
  name: 'managed-agents-router',
  user: 'user',
  workdir: DEFAULTS.workdir,
  /** Directories that belong to the user. */
  ownedDirs: [
    DEFAULTS.workdir,
    `${DEFAULTS.workdir}/outputs`,
    '/mnt/memory',
    DEFAULTS.state,
    posix.dirname(DEFAULTS.log),
  ],
  startCmd: `node ${TOOLHOST_FILE}`,
  // Uses Node, because not every sandbox has curl.
  readyCmd: `node -e "fetch('http://127.0.0.1:${DEFAULTS.port}/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"`,
} as const;
