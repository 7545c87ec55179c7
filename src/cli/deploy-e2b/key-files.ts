// Writes the keys and settings of this machine as files into the router's sandbox.
import type { Sandbox } from 'e2b';
import { givenVariables } from '../../config/given-variables.ts';
import type { Environment } from '../../config.ts';
import { FILE_VARIABLES, fileNameOf } from '../../inside-e2b/key-files.ts';
import type { QueueAccess } from '../other-workers.ts';
import { explainE2BError } from '../setup/templates.ts';
import { LAYOUT, quote } from './router-sandbox.ts';

export interface KeyFiles {
  /** Content by file name. */
  files: Record<string, string>;
  hasSigningKey: boolean;
  /** What the queue of the environment is asked with. */
  queue: Pick<QueueAccess, 'key' | 'baseUrl'>;
  /** Settings that are given here and cannot be taken over. */
  left: string[];
}

/** @throws ConfigError that lists every missing or malformed setting */
export function keyFilesOf(env: Environment, environmentId: string): KeyFiles {
  const { variables, signingKeys, withoutVariable } = givenVariables(env, environmentId);
  const taken = Object.entries(variables).filter(([name]) => FILE_VARIABLES.includes(name));
  const files = Object.fromEntries(taken.map(([name, value]) => [fileNameOf(name), `${value}\n`]));
  const hasSigningKey = signingKeys.length > 0;
  if (hasSigningKey) files[fileNameOf('ANTHROPIC_WEBHOOK_SIGNING_KEY')] = `${signingKeys.join('\n')}\n`;
  const { ANTHROPIC_ENVIRONMENT_KEY: key = '', ANTHROPIC_BASE_URL: baseUrl } = variables;
  return { files, hasSigningKey, queue: { key, baseUrl }, left: withoutVariable };
}

/** @throws CommandError if E2B does not take them */
export async function writeKeyFiles(sandbox: Sandbox, files: Record<string, string>): Promise<void> {
  try {
    const entries = Object.entries(files).map(([name, data]) => ({ path: `${LAYOUT.config}/${name}`, data }));
    await sandbox.files.write(entries);
    await sandbox.commands.run(`chmod 600 ${entries.map(({ path }) => quote(path)).join(' ')}`);
  } catch (error) {
    throw explainE2BError(error);
  }
}
