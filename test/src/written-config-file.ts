// Loads a configuration file that a test has written, and lists its problems.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { ConfigError, loadConfig, type loadWebhookConfig } from '../../src/config.ts';

export const KEY_A = 'sk-ant-oat01-key-of-a';
export const KEY_B = 'sk-ant-oat01-key-of-b';
export const env = { KEY_A, KEY_B, CLOUD_KEY: 'temporal-key', E2B_API_KEY: 'e2b_0123456789abcdef' };

export let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'config-file-'));
  file = join(dir, 'router.yaml');
  writeFileSync(join(dir, 'key-of-b'), `${KEY_B}\n`);
  writeFileSync(join(dir, 'empty'), '\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Writes the file. @returns the variables for loading it */
export function given(text: string, variables: Record<string, string> = {}) {
  writeFileSync(file, text);
  return { ...env, ROUTER_CONFIG_FILE: file, ...variables };
}

/** The problems of a configuration that must be refused; paths are relative to the file's folder. */
export function problemsOf(
  variables: Record<string, string>,
  load: typeof loadConfig | typeof loadWebhookConfig = loadConfig,
): string[] {
  try {
    load(variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((each) => each.replaceAll(`${dir}/`, ''));
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** A file with two environments. */
export const TWO = `
sandbox: { template: usual }
session:
  graceSeconds: 5
environments:
  - id: env_a
    key: \${env:KEY_A}
  - id: env_b
    key: \${file:key-of-b}
    maxRunningSandboxes: 3
    sandbox: { template: gpu, allowInternetAccess: false }
    session: { graceSeconds: 120, retentionHours: 1, stuckCalls: interrupt, routingScope: agent }
    queue: { maxClaimsPerMinute: 7 }
`;
