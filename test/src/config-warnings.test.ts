// Variables that are probably a mistake although the configuration is valid.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig, readEnvironment } from '../../src/config.ts';
import { describeConfig } from '../../src/config-check.ts';
import { dir, given, KEY_A, problemsOf, TWO } from './written-config-file.ts';

const required = {
  ANTHROPIC_ENVIRONMENT_ID: 'env_1',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-environment',
  E2B_API_KEY: 'e2b_0123456789abcdef',
};

it.each([
  ['SESSION_GRACE_SECOND', 'SESSION_GRACE_SECONDS'],
  ['E2B_TEMPALTE', 'E2B_TEMPLATE'],
  ['TEMPORAL_NAMESPCE', 'TEMPORAL_NAMESPACE'],
  ['ANTHROPIC_WEBHOOK_SIGNINGKEY', 'ANTHROPIC_WEBHOOK_SIGNING_KEY'],
])('a misspelt %s of the process is reported with the right name, and without its value', (name, meant) => {
  const { warnings } = loadConfig({ ...required, [name]: 'value' });
  expect(warnings).toEqual([`the variable ${name} is not a setting. Did you mean ${meant}?`]);
});

it.each([
  'HOSTNAME',
  'LOGNAME',
  'AWS_DEFAULT_REGION',
  'AWS_ACCESS_KEY',
  'E2B_SANDBOX',
  'E2B_SANDBOX_ID',
  'E2B_TEMPLATE_ID',
  'TEMPORAL_TLS_CLIENT_CERT_DATA',
  'WEBHOOK_PORT_8000_TCP',
])('%s is no setting, but another program may read it', (name) => {
  expect(loadConfig({ ...required, [name]: 'value' }).warnings).toEqual([]);
});

it('a misspelt variable of .env is listed by `config check`, and beside the problem that it causes', () => {
  const file = join(dir, 'with-mistake.env');
  writeFileSync(file, 'E2B_API_KYE=e2b_0123456789abcdef\n');
  const suggestion = 'the variable E2B_API_KYE is not a setting. Did you mean E2B_API_KEY?';
  const fromFile = { E2B_API_KYE: readEnvironment(file).E2B_API_KYE ?? '' };
  rmSync(file);
  expect(describeConfig({ ...required, ...fromFile }, 'start')).toContain(`Warnings:\n  ${suggestion}\n`);

  const { E2B_API_KEY, ...others } = required;
  expect(() => loadConfig({ ...others, ...fromFile })).toThrow(
    new RegExp(`E2B_API_KEY is not set[^]*\\nAlso:\\n  ${suggestion.replace('?', '\\?')}$`),
  );
});

it('an environment key beside a file that takes its keys from elsewhere is reported, and not shown', () => {
  const variables = given(TWO, { ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-unused' });
  const { warnings } = loadConfig(variables);
  expect(warnings).toEqual([
    expect.stringMatching(/^ANTHROPIC_ENVIRONMENT_KEY is set but not used: .*router.yaml lists/),
  ]);
  expect(warnings.join()).not.toContain('sk-ant');
  expect(describeConfig(variables, 'worker')).not.toContain('sk-ant-oat01-unused');
});

it('a variable that the file refers to is right, whatever its name', () => {
  const file =
    'environments: [{ id: env_a, key: "${env:ANTHROPIC_ENVIRONMENT_KEY}" }]\ne2b: { apiKey: "${env:E2B_API_KEYS}" }';
  const variables = given(file, { ANTHROPIC_ENVIRONMENT_KEY: KEY_A, E2B_API_KEYS: 'e2b_0123456789abcdef' });
  expect(loadConfig(variables).warnings).toEqual([]);
  expect(problemsOf({ ...variables, LOG_LEVEL: 'loud' })).toHaveLength(1);
});
