// The settings of commands: nothing is required, everything that is set is checked.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigError, loadCommandSettings, loadConfig } from '../../src/config.ts';

const SET = {
  ANTHROPIC_ENVIRONMENT_ID: 'env_1',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-environment',
  E2B_API_KEY: 'e2b_0123456789abcdef',
};
const API_KEY = 'sk-ant-api03-0123456789';

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'command-settings-'));
  file = join(dir, 'router.yaml');
});
afterAll(() => rmSync(dir, { recursive: true }));

it('are empty where nothing is set', () => {
  expect(loadCommandSettings({})).toEqual({
    environments: [],
    e2b: {},
    template: 'managed-agents-router',
    webhook: { host: '127.0.0.1', port: 8000, configured: false },
    secrets: [],
  });
});

it('leave out a secret whose variable is not set, and know it once it is', () => {
  const environment = '{ id: env_1, key: "${env:ENVIRONMENT_KEY}", agent: agent_1 }';
  writeFileSync(file, `environments: [${environment}]\nanthropic: { apiKey: "\${env:MY_KEY}" }`);
  const env = { ROUTER_CONFIG_FILE: file };
  expect(loadCommandSettings(env).environments).toEqual([
    { id: 'env_1', agent: 'agent_1', template: 'managed-agents-router' },
  ]);
  expect(loadCommandSettings(env).apiKey).toBeUndefined();
  const known = loadCommandSettings({ ...env, ENVIRONMENT_KEY: 'sk-ant-oat01-1', MY_KEY: API_KEY });
  expect(known).toMatchObject({ apiKey: API_KEY, environments: [{ key: 'sk-ant-oat01-1' }] });
  expect(known.secrets).toContain(API_KEY);
});

it('for commands alone do not keep the router from starting', () => {
  writeFileSync(file, 'anthropic: { apiKey: "${env:MY_KEY}" }');
  expect(() => loadConfig({ ...SET, ROUTER_CONFIG_FILE: file })).not.toThrow();
});

it.each(['sk-ant-oat01-secret-of-mine', 'e2b_00112233445566778899', 'whsec_c2VjcmV0LW9mLW1pbmU='])(
  'refuse a key of another kind as the key of the organisation, and never show it',
  (key) => {
    const load = () => loadCommandSettings({ ANTHROPIC_API_KEY: key });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/ANTHROPIC_API_KEY must be an API key of an Anthropic organisation/);
    expect(load).not.toThrow(key);
  },
);
