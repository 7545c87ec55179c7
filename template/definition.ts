// What a sandbox's template is, whoever builds it: E2B (template.ts) or the local simulator (manifest.ts).
import { posix } from 'node:path';
import { DEFAULTS } from '../toolhost/config.ts';

/** Where the toolhost lies in a sandbox. */
export const TOOLHOST_FILE = '/opt/toolhost/toolhost.mjs';

export const DEFINITION = {
  /** What the template is called where nothing else is said; also the default of E2B_TEMPLATE. */
  name: 'managed-agents-router',
  user: 'user',
  workdir: DEFAULTS.workdir,
  /** Directories that the user owns. */
  ownedDirs: [
    DEFAULTS.workdir,
    `${DEFAULTS.workdir}/outputs`,
    '/mnt/memory',
    DEFAULTS.state,
    posix.dirname(DEFAULTS.log),
  ],
  startCmd: `node ${TOOLHOST_FILE}`,
  // Asked with Node, which every sandbox has, unlike curl.
  readyCmd: `node -e "fetch('http://127.0.0.1:${DEFAULTS.port}/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"`,
} as const;
