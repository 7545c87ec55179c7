// The configuration file: what it can set, and how mistakes in it are reported.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nearest } from '../../src/config/suggest.ts';
import { ConfigError, loadConfig, loadWebhookConfig } from '../../src/config.ts';

const KEY_A = 'sk-ant-oat01-key-of-a';
const KEY_B = 'sk-ant-oat01-key-of-b';
const env = { KEY_A, KEY_B, CLOUD_KEY: 'temporal-key', E2B_API_KEY: 'e2b_0123456789abcdef' };

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'config-file-'));
  file = join(dir, 'router.yaml');
  writeFileSync(join(dir, 'key-of-b'), `${KEY_B}\n`);
  writeFileSync(join(dir, 'empty'), '\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

function given(text: string, variables: Record<string, string> = {}) {
  writeFileSync(file, text);
  return { ...env, ROUTER_CONFIG_FILE: file, ...variables };
}

function problemsOf(
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

const TWO = `
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

describe('a file', () => {
  it('lists several environments; each overrides settings of the deployment', () => {
    const { environments } = loadConfig(given(TWO));
    expect(environments).toMatchObject([
      {
        anthropic: { environmentId: 'env_a', environmentKey: KEY_A },
        e2b: { template: 'usual', allowInternetAccess: true },
        session: { graceMs: 5_000, retentionMs: 7 * 24 * 3_600_000 },
        stuckCalls: 'run',
        limits: { ofEnvironment: 0 },
      },
      {
        anthropic: { environmentId: 'env_b', environmentKey: KEY_B },
        e2b: { template: 'gpu', allowInternetAccess: false },
        session: { graceMs: 120_000, retentionMs: 3_600_000, scope: 'agent', claimsPerMinute: 7 },
        stuckCalls: 'interrupt',
        limits: { ofEnvironment: 3 },
      },
    ]);
    expect(environments[0]?.session.scope).toBeUndefined();
    expect(loadConfig(given(TWO)).secrets.sort()).toEqual([env.E2B_API_KEY, KEY_A, KEY_B].sort());
  });

  it('may be JSON, with tabs and a $schema', () => {
    const json = JSON.stringify({
      $schema: './x.json',
      environments: [{ id: 'env_a', key: '${env:KEY_A}' }],
    });
    const tabs = JSON.stringify(JSON.parse(json), undefined, '\t');
    for (const text of [json, tabs]) expect(loadConfig(given(text)).environments).toHaveLength(1);
  });

  it('may leave the single environment to variables', () => {
    const variables = { ANTHROPIC_ENVIRONMENT_ID: 'env_a', ANTHROPIC_ENVIRONMENT_KEY: KEY_A };
    const { environments, logLevel } = loadConfig(given('log: { level: debug }\n', variables));
    expect(environments.map(({ anthropic }) => anthropic.environmentId)).toEqual(['env_a']);
    expect(logLevel).toBe('debug');
  });

  it('gives way to a variable, but not in the settings of an environment', () => {
    const variables = { SESSION_GRACE_SECONDS: '9', TEMPORAL_ADDRESS: 'temporal:7233' };
    const config = loadConfig(given(`temporal: { address: "elsewhere:1" }\n${TWO}`, variables));
    expect(config.environments.map(({ session }) => session.graceMs)).toEqual([9_000, 120_000]);
    expect(config.temporal.connectionOptions.address).toBe('temporal:7233');
  });

  it('sets up the connection to Temporal, with the key by reference', () => {
    const temporal = 'temporal: { address: "t:7233", namespace: agents, apiKey: "${env:CLOUD_KEY}" }';
    const config = loadConfig(given(`${temporal}\n${TWO}`, { CLOUD_KEY: 'temporal-key' }));
    expect(config.temporal).toMatchObject({
      connectionOptions: { address: 't:7233', apiKey: 'temporal-key', tls: true },
      namespace: 'agents',
    });
  });

  it('accepts references for numbers and switches too', () => {
    const text = `worker: { maxActivities: "\${env:MAX}" }\nsandbox: { autoResume: "\${env:RESUME}" }\n`;
    const list = 'environments: [{ id: env_a, key: "${env:KEY_A}" }]\n';
    const config = loadConfig(given(text + list, { MAX: '42', RESUME: 'false' }));
    expect(config.worker.maxActivities).toBe(42);
    expect(config.environments[0]?.e2b.autoResume).toBe(false);
    expect(problemsOf(given(text + list, { MAX: 'many', RESUME: 'false' }))).toEqual([
      expect.stringMatching(/^router.yaml:1:26 worker.maxActivities must be a whole number/),
    ]);
  });
});

describe('the webhook server', () => {
  it('looks up only the references that it needs', () => {
    const text = 'environments: [{ id: env_a, key: "${env:NOT_HERE}", session: { graceSeconds: 7 } }]\n';
    const { E2B_API_KEY: _, ...variables } = given(`e2b: { apiKey: "\${file:not-here}" }\n${text}`);
    expect(loadWebhookConfig(variables)).toMatchObject({
      environmentId: 'env_a',
      session: { graceMs: 7_000 },
    });
    expect(problemsOf(variables)).toHaveLength(2);
  });

  it('leaves the environment of a session open if several are configured', () => {
    expect(loadWebhookConfig(given(TWO))).toMatchObject({ environmentId: '', session: { graceMs: 5_000 } });
  });

  it('leaves the signing key to the webhook server: the worker does not look it up', () => {
    const text = `webhook: { signingKey: "\${env:NOT_HERE}" }\n${TWO}`;
    expect(loadConfig(given(text), 'worker').webhook.signingKeys).toEqual([]);
    expect(problemsOf(given(text))).toEqual([
      expect.stringMatching(
        /^router.yaml:1:24 webhook.signingKey refers to the variable NOT_HERE, which is not set\./,
      ),
    ]);
  });
});

const LIST = 'environments: [{ id: env_a, key: "${env:KEY_A}" }]';

it.each([
  [
    'a misspelt name',
    'session: { graceSecond: 5 }',
    '1:12 session.graceSecond is not a setting. Did you mean graceSeconds?',
  ],
  [
    'the name of a variable',
    'SESSION_GRACE_SECONDS: 5',
    '1:1 SESSION_GRACE_SECONDS is not a setting. Did you mean session.graceSeconds?',
  ],
  [
    'another spelling',
    'session: { grace_seconds: 5 }',
    '1:12 session.grace_seconds is not a setting. Did you mean graceSeconds?',
  ],
  [
    'a name in the wrong place',
    'graceSeconds: 5',
    '1:1 graceSeconds is not a setting. Did you mean session.graceSeconds?',
  ],
  ['a name of no meaning', 'colour: red', '1:1 colour is not a setting'],
  [
    'a wrong value',
    'session: { graceSeconds: soon }',
    '1:26 session.graceSeconds must be a number from 0 to 86400.',
  ],
  ['no value', 'session: { graceSeconds: }', '1:26 session.graceSeconds must be a number from 0 to 86400.'],
  [
    'a number as a text',
    'webhook: { port: "80" }',
    '1:18 webhook.port must be a whole number from 0 to 65535.',
  ],
  [
    'a number for a name',
    'worker: { buildId: 2026.1 }',
    '1:20 worker.buildId must be text: put it in quotes.',
  ],
  ['a list for a value', 'webhook: { host: [a, b] }', '1:18 webhook.host must be one word without spaces.'],
  ['a value for a group', 'webhook: 8000', '1:10 webhook must hold settings, each as "name: value"'],
  ['a list for everything', '- a', '1:1 the file must hold settings'],
  [
    'a literal key',
    `e2b: { apiKey: ${KEY_A} }`,
    '1:16 e2b.apiKey is secret and does not belong in this file',
  ],
  [
    'a reference within a text',
    'temporal: { address: "${env:KEY_A}:7233" }',
    '1:22 temporal.address must be one whole reference',
  ],
  [
    'a malformed reference',
    'temporal: { address: "${KEY_A}" }',
    '1:22 temporal.address must be one whole reference',
  ],
  [
    'a reference to no variable',
    'temporal: { apiKey: "${env:NONE}" }',
    '1:21 temporal.apiKey refers to the variable NONE, which is not set.',
  ],
  [
    'a reference to no file',
    'temporal: { apiKey: "${file:none}" }',
    '1:21 temporal.apiKey refers to the file none, which cannot be read',
  ],
  [
    'a reference to an empty file',
    'temporal: { apiKey: "${file:empty}" }',
    '1:21 temporal.apiKey refers to the file empty, which is empty.',
  ],
  [
    'a reference to a device',
    'temporal: { apiKey: "${file:/dev/zero}" }',
    '1:21 temporal.apiKey refers to the file /dev/zero, which cannot be read',
  ],
  [
    'a certificate without its key',
    'temporal: { tls: { clientCertFile: /dev/null } }',
    '1:36 temporal.tls.clientCertFile needs temporal.tls.clientKeyFile',
  ],
  [
    'an API key without TLS',
    'temporal: { apiKey: "${env:CLOUD_KEY}", tls: { enabled: false } }',
    '1:57 temporal.tls.enabled turns TLS off while an API key is set',
  ],
  [
    'an endpoint of no bucket',
    'outputs: { target: /data, s3Endpoint: "https://s.example.com" }',
    '1:39 outputs.s3Endpoint needs an outputs.target',
  ],
  [
    'half of the credentials',
    'outputs: { target: "s3://bucket", s3AccessKeyId: "${env:KEY_A}" }',
    '1:50 outputs.s3AccessKeyId needs outputs.s3SecretAccessKey',
  ],
  [
    'a grace that E2B ends',
    'session: { graceSeconds: 700 }',
    '1:26 session.graceSeconds is 700, but E2B pauses a sandbox after 600 s',
  ],
  [
    'a grace beyond the retention',
    'session: { graceSeconds: 60, retentionHours: 0.01 }',
    '1:26 session.graceSeconds is 60, but a sandbox is kept for 0.01 h',
  ],
])('refuses %s, by line', (_what, text, problem) => {
  const problems = problemsOf(given(`${text}\n${text.startsWith('-') ? '' : LIST}\n`));
  expect(problems).toContainEqual(expect.stringContaining(problem));
  expect(problems.join()).not.toContain(KEY_A);
});

it.each([
  ['an empty list', '[]', '1:15 environments must be a list of 1 to 1000 environments'],
  ['no list', '{ id: env_a }', '1:15 environments must be a list'],
  ['no id', '[{ key: "${env:KEY_A}" }]', '1:16 environments[0].id is not set.'],
  ['no key', '[{ id: env_a }]', '1:16 environments[0].key is not set.'],
  ['a literal key', `[{ id: env_a, key: ${KEY_A} }]`, '1:34 environments[0].key is secret'],
  [
    'an unknown field',
    '[{ id: env_a, key: "${env:KEY_A}", grace: 1 }]',
    '1:50 environments[0].grace is not a setting',
  ],
  [
    'a setting of the deployment',
    '[{ id: env_a, key: "${env:KEY_A}", worker: {} }]',
    '1:50 environments[0].worker is not a setting',
  ],
  [
    'an id twice',
    '[{ id: a, key: "${env:KEY_A}" }, { id: a, key: "${env:KEY_B}" }]',
    '1:48 environments[1] has the id of environments[0]',
  ],
])('refuses environments with %s', (_what, list, problem) => {
  const problems = problemsOf(given(`environments: ${list}\n`));
  expect(problems).toContainEqual(expect.stringContaining(`router.yaml:${problem}`));
  expect(problems.join()).not.toContain(KEY_A);
});

it('refuses an environment limit above the limit for all, and an environment in both file and variables', () => {
  const text = TWO.replace('sandbox:', 'e2b: { maxRunningSandboxes: 2 }\nsandbox:');
  expect(problemsOf(given(text, { ANTHROPIC_ENVIRONMENT_ID: 'env_c' }))).toEqual([
    'ANTHROPIC_ENVIRONMENT_ID is set, but router.yaml lists environments: keep one of the two',
    expect.stringMatching(
      /^router.yaml:9:5 environments\[1\] allows 3 running sandboxes \(maxRunningSandboxes\), but e2b\.maxRunningSandboxes allows only 2 /,
    ),
  ]);
});

it('lists all problems of file and variables at once, without repetition', () => {
  const text = `session: { graceSeconds: -1, retentionHours: ever }\nwebhok: {}\n${TWO.replace(/session:\n.*\n/, '')}`;
  expect(problemsOf(given(text, { LOG_LEVEL: 'loud', E2B_API_KEY: '' }))).toEqual([
    expect.stringMatching(/^router.yaml:2:1 webhok is not a setting. Did you mean webhook\?/),
    expect.stringMatching(/^router.yaml: e2b.apiKey, or the variable E2B_API_KEY, is not set\./),
    expect.stringMatching(/^LOG_LEVEL must be trace, /),
    expect.stringMatching(/^router.yaml:1:26 session.graceSeconds must be a number/),
    expect.stringMatching(/^router.yaml:1:46 session.retentionHours must be a number/),
  ]);
});

it.each([
  ['broken YAML', `e2b:\n  apiKey: "${KEY_A}\n`, /^router.yaml:\d+:\d+ is not valid YAML: /],
  ['a tag', 'log: !key-of-a {}\n', /^router.yaml:1:6 is not valid YAML: Unresolved tag$/],
  [
    'an alias of nothing',
    'log: *key-of-a\n',
    /^router.yaml:1:6 is an alias of an anchor that is not defined above it/,
  ],
  ['two documents', 'log: {}\n---\nlog: {}\n', /^router.yaml:\d:1 is not valid YAML: /],
  ['a bottomless nest', `a: ${'['.repeat(20_000)}`, /^router.yaml.* is not valid YAML/],
  ['a name twice', `log: {}\nlog: {}\n`, /^router.yaml:2:1 is not valid YAML: Map keys must be unique/],
  ['a key for a name', `${KEY_A}: 1\n`, /^router.yaml:1:1 \[redacted\] is not a setting/],
])('refuses %s without quoting it', (_what, text, problem) => {
  const problems = problemsOf(given(text));
  expect(problems).toContainEqual(expect.stringMatching(problem));
  expect(problems.join()).not.toContain('key-of-a');
});

it('refuses a path that does not exist, is not a file, or is a file that is too large', () => {
  const problemOf = (path: string) => problemsOf({ ...env, ROUTER_CONFIG_FILE: path });
  expect(problemOf(join(dir, 'none.yaml'))).toEqual([
    'the configuration file none.yaml cannot be read (ENOENT)',
  ]);
  expect(problemOf('/dev/zero')).toEqual(['the configuration file /dev/zero is not a file']);
  expect(problemsOf(given('#'.repeat(1024 * 1024 + 1)))).toEqual([
    'the configuration file router.yaml is larger than 1 MiB',
  ]);
});

it('suggests the nearest name, but no distant one', () => {
  const names = ['session.graceSeconds', 'session.retentionHours', 'worker.shutdownGraceSeconds'];
  expect(nearest('GRACE_SECOND', names)).toBe('session.graceSeconds');
  expect(nearest('abcdefghi', ['abcdefgxy', 'x.abcdefghx'])).toBe('x.abcdefghx');
  for (const far of ['colour', 'hours', '', 'x'.repeat(100_000)]) expect(nearest(far, names)).toBeUndefined();
});
