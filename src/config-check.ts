// What `config check` prints for a configuration that is valid.
import { readValues } from './config/sources.ts';
import {
  type Environment,
  loadConfig,
  loadEmbeddedTemporalConfig,
  loadWebhookConfig,
  type Role,
} from './config.ts';
import { scrub } from './log.ts';
import { openOutputStore } from './outputs/open-store.ts';

/**
 * @returns text for the terminal: one line for each value that is set; secrets are hidden
 * @throws ConfigError that lists every problem
 */
export function describeConfig(env: Environment, role: Role): string {
  if (role === 'webhook') loadWebhookConfig(env);
  else {
    const { outputs } = loadConfig(env, role);
    if (outputs) openOutputStore(outputs);
  }
  if (role === 'start') loadEmbeddedTemporalConfig(env);
  const { configFile, given, warnings } = readValues(env, role);
  const lines = given.map(({ where, value, reference, setting }) => {
    const shown = reference ?? (setting.secret ? '(secret)' : value);
    return `  ${where} = ${shown}\n`;
  });
  const also = warnings.length > 0 ? `Warnings:\n${warnings.map((each) => `  ${each}\n`).join('')}` : '';
  const file = configFile === undefined ? 'There is no configuration file' : `File: ${configFile}`;
  return scrub(
    `The configuration is valid for ${role}. ${file}. Values that are set:\n${lines.join('')}${also}`,
  );
}
