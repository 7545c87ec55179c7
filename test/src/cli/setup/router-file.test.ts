// The configuration file that setup writes is one that the router accepts, and what people wrote in it stays.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  keyVariableOf,
  removeEnvironment,
  setEnvironment,
  setMissing,
} from '../../../../src/cli/setup/router-file.ts';
import { loadCommandSettings, loadConfig } from '../../../../src/config.ts';

const KEYS = {
  MY_KEY: 'sk-ant-oat01-1',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-2',
  E2B_API_KEY: `e2b_${'0'.repeat(40)}`,
};

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'router-file-'));
  file = join(dir, 'router.yaml');
});
afterEach(() => rmSync(dir, { recursive: true }));

const text = () => readFileSync(file, 'utf8');
const agents = () =>
  loadCommandSettings({ ...KEYS, ROUTER_CONFIG_FILE: file }).environments.map(({ id, agent, key }) => [
    id,
    agent,
    key,
  ]);

it('a new file holds references, no keys, and the router starts with it', () => {
  setEnvironment(file, { id: 'env_1', agent: 'agent_1' }, 'ANTHROPIC_ENVIRONMENT_KEY');
  setMissing(file, { 'e2b.apiKey': '${env:E2B_API_KEY}', 'anthropic.baseUrl': 'http://127.0.0.1:1' });
  expect(text()).toMatch(/^# yaml-language-server: /);
  for (const key of Object.values(KEYS)) expect(text()).not.toContain(key);
  const [environment] = loadConfig({ ...KEYS, ROUTER_CONFIG_FILE: file }).environments;
  expect(environment?.anthropic).toEqual({
    environmentId: 'env_1',
    environmentKey: 'sk-ant-oat01-2',
    baseUrl: 'http://127.0.0.1:1',
  });
  expect(agents()).toEqual([['env_1', 'agent_1', 'sk-ant-oat01-2']]);
});

const MINE = `# my deployment
e2b:
  apiKey: \${file:/run/e2b} # rotated monthly
environments:
  # the first
  - id: env_1
    key: \${env:MY_KEY}
    session: { graceSeconds: 5 }
  - id: env_2
    key: \${env:MY_KEY}
`;

it('comments, other settings and other environments of an existing file stay', () => {
  writeFileSync(file, MINE);
  setEnvironment(file, { id: 'env_1', agent: 'agent_1' }, 'ANTHROPIC_ENVIRONMENT_KEY');
  expect(setMissing(file, { 'e2b.apiKey': '${env:E2B_API_KEY}' })).toEqual([]);
  for (const line of MINE.split('\n')) expect(text()).toContain(line);
  expect(agents()).toEqual([
    ['env_1', 'agent_1', 'sk-ant-oat01-1'],
    ['env_2', undefined, 'sk-ant-oat01-1'],
  ]);
  expect(keyVariableOf(file, 'env_1')).toBe('MY_KEY');
  expect(keyVariableOf(file, 'env_9')).toBeUndefined();
});

it('another environment is added behind the others, and repeating it changes nothing', () => {
  writeFileSync(file, MINE);
  setEnvironment(file, { id: 'env_3' }, 'ANTHROPIC_ENVIRONMENT_KEY');
  const once = text();
  setEnvironment(file, { id: 'env_3' }, 'ANTHROPIC_ENVIRONMENT_KEY');
  expect(text()).toBe(once);
  expect(agents().map(([id]) => id)).toEqual(['env_1', 'env_2', 'env_3']);
});

it('an environment is removed, and the list with the last one', () => {
  writeFileSync(file, MINE);
  expect(removeEnvironment(file, 'env_9')).toBe(false);
  expect(removeEnvironment(file, 'env_1')).toBe(true);
  expect(agents().map(([id]) => id)).toEqual(['env_2']);
  expect(removeEnvironment(file, 'env_2')).toBe(true);
  expect(removeEnvironment(file, 'env_2')).toBe(false);
  expect(text()).toContain('# rotated monthly');
  expect(text()).not.toContain('environments:');
});

it('a JSON file stays JSON', () => {
  file = join(dir, 'router.json');
  writeFileSync(file, '{ "log": { "level": "warn" } }');
  setEnvironment(file, { id: 'env_1' }, 'ANTHROPIC_ENVIRONMENT_KEY');
  expect(JSON.parse(text())).toEqual({
    log: { level: 'warn' },
    environments: [{ id: 'env_1', key: '${env:ANTHROPIC_ENVIRONMENT_KEY}' }],
  });
});
