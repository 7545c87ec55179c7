// The variables of the webhook server and of the worker inside E2B.
import { existsSync } from 'node:fs';
import { CONFIG_FILE, DEPLOYMENT } from '../config/deployment-settings.ts';
import { COMMON, ENVIRONMENT } from '../config/environment-settings.ts';
import { settingsOf } from '../config/setting.ts';
import { basicVariables } from '../config/variables.ts';
import { type Layout, PRIVATE_HOST } from './layout.ts';

const SECRET = new Set(
  settingsOf({ ...DEPLOYMENT, ...COMMON, ...ENVIRONMENT }).flatMap(([, { variable, secret }]) =>
    secret && variable ? [variable] : [],
  ),
);

/** The webhook server is reached from the internet and gets no secret; it reads the signing keys from their file. */
export function webhookVariables(fromFiles: Record<string, string>, layout: Layout): Record<string, string> {
  const open = Object.entries(fromFiles).filter(([name]) => !SECRET.has(name));
  return {
    ...base(layout),
    ...Object.fromEntries(open),
    WEBHOOK_HOST: '0.0.0.0',
    WEBHOOK_PORT: String(layout.ports.webhook),
    ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE: layout.signingKeys,
    ADMIN_PORT: '9464',
  };
}

export function workerVariables(fromFiles: Record<string, string>, layout: Layout): Record<string, string> {
  return { ...base(layout), ...fromFiles, ADMIN_PORT: '9465' };
}

function base({ data, configFile, ports }: Layout): Record<string, string> {
  return {
    // Nothing else of this process's environment: it is that of the template's build.
    ...basicVariables(),
    // As in the image (Dockerfile): bounds what Node and the C library keep.
    MALLOC_ARENA_MAX: '2',
    NODE_OPTIONS: '--max-semi-space-size=8 --max-old-space-size=320',
    ...(existsSync(configFile) ? { [CONFIG_FILE.variable ?? '']: configFile } : {}),
    TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
    ROUTER_DATA_FOLDER: data,
    ADMIN_HOST: PRIVATE_HOST,
  };
}
