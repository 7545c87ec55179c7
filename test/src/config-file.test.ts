// What the configuration file can set.
import { describe, expect, it } from 'vitest';
import { loadConfig, loadWebhookConfig } from '../../src/config.ts';
import { env, given, KEY_A, KEY_B, problemsOf, TWO } from './written-config-file.ts';

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
