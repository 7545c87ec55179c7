// Mistakes in the configuration file are reported with their line, all at once and without secrets.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dir, env, given, KEY_A, problemsOf, TWO } from './written-config-file.ts';

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
  ['an unknown name', 'colour: red', '1:1 colour is not a setting'],
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
    'outputs: { target: "s3://bucket", s3AccessKeyId: "${env:CLOUD_KEY}" }',
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
  ['endless nesting', `a: ${'['.repeat(20_000)}`, /^router.yaml.* is not valid YAML/],
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
