// E2B's cookbook router from a checkout whose packages are installed: its template and how it is started.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Template } from 'e2b';

const INSIDE = '/opt/anthropic-managed-agents-js';
const SOURCES = [
  'app-sandbox-store',
  'app-webhook-server',
  'constants',
  'environment',
  'sandbox-worker',
  'settings',
  'worker-runtime',
  'webhook-runtime',
];

/** Where it is in the repository `e2b-dev/e2b-cookbook`. */
export const COOKBOOK_ROUTER = 'examples/anthropic-managed-agents/javascript';
/** Arguments of Node that start its webhook server in its folder. */
export const COOKBOOK_ARGS = ['--import', 'tsx', 'src/app-webhook-server.ts'];

/**
 * Builds its template without downloads: packages are copied, and the API's URL is set inside.
 * @param folder of the router in the checkout
 */
export async function buildCookbookTemplate(
  folder: string,
  e2b: { apiKey: string; apiUrl: string },
  anthropicUrl: string,
): Promise<void> {
  const template = Template({ fileContextPath: folder })
    .fromBaseImage()
    .setUser('root')
    .runCmd(`mkdir -p /mnt/session ${INSIDE}/src ${INSIDE}/config && chmod 700 ${INSIDE}/config`)
    .runCmd(`chmod 777 /mnt/session ${INSIDE} ${INSIDE}/src`)
    .runCmd(`echo export ANTHROPIC_BASE_URL=${anthropicUrl} > /etc/profile.d/anthropic.sh`)
    .setUser('user')
    .setWorkdir(INSIDE)
    .copy('package.json', `${INSIDE}/`)
    .copy('node_modules', `${INSIDE}/node_modules`);
  for (const name of SOURCES) template.copy(`src/${name}.ts`, `${INSIDE}/src/`);
  await Template.build(
    template
      .setWorkdir('/mnt/session')
      .setStartCmd(
        `exec ${INSIDE}/node_modules/.bin/tsx ${INSIDE}/src/app-webhook-server.ts`,
        'exec 3<>/dev/tcp/127.0.0.1/8000',
      ),
    await templateName(folder),
    e2b,
  );
}

/** Which template the router creates sandboxes from; it has had different names. */
async function templateName(folder: string): Promise<string> {
  const constants = await readFile(join(folder, 'src/constants.ts'), 'utf8');
  const name = /DEFAULT_TEMPLATE_NAME = "([^"]+)"/.exec(constants)?.[1];
  if (!name) throw new Error(`${folder}/src/constants.ts names no template`);
  return name;
}
