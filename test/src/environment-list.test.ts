import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ConfigError, loadConfig, loadWebhookConfig, secretsOf } from '../../src/config.ts';

const KEY_A = 'sk-ant-oat01-key-of-a';
const KEY_B = 'sk-ant-oat01-key-of-b';
const base = { E2B_API_KEY: 'e2b_0123456789abcdef', E2B_TEMPLATE: 'usual' };
const two = [
  { id: 'env_a', key: KEY_A },
  { id: 'env_b', key: KEY_B, template: 'gpu', graceSeconds: 120, retentionHours: 1 },
];
const listed = (list: unknown, more = {}) => ({
  ...base,
  ANTHROPIC_ENVIRONMENTS: JSON.stringify(list),
  ...more,
});

function problemsOf(
  env: Record<string, string>,
  load: typeof loadConfig | typeof loadWebhookConfig = loadConfig,
) {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

it('takes several environments, each with what it says of itself and the common settings for the rest', () => {
  const { environments } = loadConfig(listed(two, { SESSION_GRACE_SECONDS: '5' }));
  expect(environments).toMatchObject([
    {
      anthropic: { environmentId: 'env_a', environmentKey: KEY_A },
      e2b: { template: 'usual' },
      session: { graceMs: 5_000, retentionMs: 7 * 24 * 3_600_000 },
    },
    {
      anthropic: { environmentId: 'env_b', environmentKey: KEY_B },
      e2b: { template: 'gpu' },
      session: { graceMs: 120_000, retentionMs: 3_600_000 },
    },
  ]);
  expect(secretsOf(loadConfig(listed(two)))).toEqual([KEY_A, base.E2B_API_KEY, KEY_B]);
});

it('lets the sessions of an environment share sandboxes, or not, whatever the others do', () => {
  const scoped = [two[0], { ...two[1], routingScope: 'session' }];
  const { environments } = loadConfig(listed(scoped, { ROUTING_SCOPE: 'agent' }));
  expect(environments.map(({ session }) => session.scope)).toEqual(['agent', undefined]);
  expect(problemsOf(listed([{ ...two[0], routingScope: 'team' }]))).toEqual([
    'ANTHROPIC_ENVIRONMENTS: entry 1: routingScope must be session, agent or environment',
  ]);
  expect(problemsOf(listed(two, { ROUTING_SCOPE: 'team' }))).toEqual([
    expect.stringMatching(/^ROUTING_SCOPE must be session, agent or environment\./),
  ]);
});

it('reads the list from a file, and keeps the variables of a single environment beside it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'environments-'));
  const file = join(dir, 'environments.json');
  writeFileSync(file, JSON.stringify(two));
  const own = { ANTHROPIC_ENVIRONMENT_ID: 'env_own', ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-own' };
  const { environments } = loadConfig({ ...base, ...own, ANTHROPIC_ENVIRONMENTS_FILE: file });
  expect(environments.map(({ anthropic }) => anthropic.environmentId)).toEqual(['env_own', 'env_a', 'env_b']);
  rmSync(dir, { recursive: true });
});

it.each([
  ['no JSON', { ANTHROPIC_ENVIRONMENTS: `[{"key":"${KEY_A}"` }, /^ANTHROPIC_ENVIRONMENTS is not JSON/],
  ['an empty list', listed([]), /^ANTHROPIC_ENVIRONMENTS must be a list of environments/],
  ['no list', listed({ id: 'env_a' }), /^ANTHROPIC_ENVIRONMENTS must be a list of environments/],
  [
    'no file',
    { ANTHROPIC_ENVIRONMENTS_FILE: '/no/such/file' },
    /^ANTHROPIC_ENVIRONMENTS_FILE cannot be read/,
  ],
  ['both', listed(two, { ANTHROPIC_ENVIRONMENTS_FILE: '/tmp/x' }), /both set/],
  ['no id', listed([{ key: KEY_A }]), /entry 1: id /],
  ['no key', listed([{ id: 'env_a' }]), /entry of env_a in the list of environments has no key/],
  ['an unusable key', listed([{ id: 'env_a', key: `${KEY_A} x` }]), /entry 1: key must be one word/],
  ['an unknown field', listed([{ id: 'env_a', key: KEY_A, grace: 1 }]), /entry 1: Unrecognized key: "grace"/],
  ['a bad number', listed([{ id: 'env_a', key: KEY_A, graceSeconds: -1 }]), /entry 1: graceSeconds /],
  ['an id twice', listed([two[0], two[0]]), /entry 2: env_a is in the list already/],
  ['an id in both places', listed(two, { ANTHROPIC_ENVIRONMENT_ID: 'env_a' }), /name it once/],
])('refuses %s, and shows no key', (_what, env, problem) => {
  const problems = problemsOf({ ...base, ...env });
  expect(problems).toContainEqual(expect.stringMatching(problem));
  expect(problems.join()).not.toContain(KEY_A);
});

it('lets the webhook server do without keys, and without knowing whose session a delivery is about', () => {
  const ids = [{ id: 'env_a' }, { id: 'env_b', graceSeconds: 7 }];
  expect(loadWebhookConfig(listed(ids))).toMatchObject({ environmentId: '', session: { graceMs: 30_000 } });
  expect(loadWebhookConfig(listed([ids[1]]))).toMatchObject({
    environmentId: 'env_b',
    session: { graceMs: 7_000 },
  });
});
