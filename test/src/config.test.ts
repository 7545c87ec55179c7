import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, loadWebhookConfig, readEnvironment } from '../../src/config.ts';

const SIGNING_KEY = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const required = {
  ANTHROPIC_ENVIRONMENT_ID: 'env_1',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-environment',
  E2B_API_KEY: 'e2b_0123456789abcdef',
};

function problemsOf(
  env: Record<string, string>,
  load: (env: Record<string, string>) => unknown = loadConfig,
) {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('loadConfig', () => {
  it('fills in every default from the tables of settings', () => {
    expect(loadConfig(required)).toMatchObject({
      environments: [
        {
          anthropic: { environmentId: 'env_1', environmentKey: required.ANTHROPIC_ENVIRONMENT_KEY },
          e2b: {
            template: 'managed-agents-router',
            timeoutMs: 600_000,
            autoResume: true,
            allowInternetAccess: true,
          },
          session: { graceMs: 30_000, retentionMs: 7 * 24 * 3_600_000 },
        },
      ],
      temporal: { connectionOptions: { address: '127.0.0.1:7233' }, namespace: 'default' },
      webhook: { host: '127.0.0.1', port: 8000, signingKeys: [] },
      worker: { maxToolCalls: 500, maxWatchedSessions: 1000, maxActivities: 100 },
      logLevel: 'info',
    });
  });

  it('reads every value in the unit that its name states', () => {
    const config = loadConfig({
      ...required,
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:4100',
      ANTHROPIC_WEBHOOK_SIGNING_KEY: `${SIGNING_KEY}, ${SIGNING_KEY}`,
      E2B_SANDBOX_TIMEOUT_SECONDS: '90',
      E2B_AUTO_RESUME: 'False',
      SESSION_GRACE_SECONDS: '0.5',
      SESSION_RETENTION_HOURS: '0.25',
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'agents',
      WEBHOOK_PORT: '0',
    });
    expect(config.environments).toMatchObject([
      {
        anthropic: { baseUrl: 'http://127.0.0.1:4100' },
        e2b: { timeoutMs: 90_000, autoResume: false },
        session: { graceMs: 500, retentionMs: 900_000 },
      },
    ]);
    expect(config.webhook.signingKeys).toEqual([SIGNING_KEY, SIGNING_KEY]);
    expect(config.webhook.port).toBe(0);
    expect(config.temporal).toMatchObject({
      connectionOptions: { address: 'temporal.example:7233' },
      namespace: 'agents',
    });
  });

  it('turns TLS on for an API key of Temporal Cloud', () => {
    const { connectionOptions } = loadConfig({ ...required, TEMPORAL_API_KEY: 'temporal-key' }).temporal;
    expect(connectionOptions).toMatchObject({ apiKey: 'temporal-key', tls: true });
  });

  it('treats an empty variable as not set', () => {
    expect(
      loadConfig({ ...required, E2B_TEMPLATE: '', E2B_API_URL: ' ' }).environments[0]?.e2b,
    ).toMatchObject({
      template: 'managed-agents-router',
    });
    expect(problemsOf({ ...required, E2B_API_KEY: '' }).message).toContain('E2B_API_KEY is not set');
  });

  it('lists every problem with its variable and an example, and shows no value', () => {
    const bad: Record<string, string> = {
      ANTHROPIC_ENVIRONMENT_ID: 'not an id',
      ANTHROPIC_ENVIRONMENT_KEY: 'secret one',
      ANTHROPIC_BASE_URL: 'ftp://secret-two',
      ANTHROPIC_WEBHOOK_SIGNING_KEY: 'whsec_secret-three',
      E2B_API_KEY: 'secret four',
      E2B_TEMPLATE: 'two words',
      E2B_SANDBOX_TIMEOUT_SECONDS: '1e9',
      E2B_AUTO_RESUME: 'perhaps',
      E2B_ALLOW_INTERNET_ACCESS: '2',
      E2B_DOMAIN: 'a b',
      E2B_API_URL: '://',
      E2B_SANDBOX_URL: 'localhost:3000',
      TEMPORAL_ADDRESS: 'http://localhost:7233',
      TEMPORAL_NAMESPACE: 'name space',
      TEMPORAL_API_KEY: 'secret five',
      WEBHOOK_HOST: 'a host',
      WEBHOOK_PORT: '80.5',
      SESSION_GRACE_SECONDS: '-1',
      SESSION_RETENTION_HOURS: 'week',
      WORKER_MAX_TOOL_CALLS: '0',
      WORKER_MAX_WATCHED_SESSIONS: '2.5',
      WORKER_MAX_ACTIVITIES: '0',
      WORKER_MAX_CACHED_WORKFLOWS: 'many',
      WORKER_BUILD_ID: 'a b',
      WORKER_SHUTDOWN_GRACE_SECONDS: 'NaN',
      LOG_LEVEL: 'loud',
    };
    const { message, problems } = problemsOf(bad);
    expect(problems).toHaveLength(Object.keys(bad).length);
    for (const name of Object.keys(bad)) {
      expect(problems).toContainEqual(
        expect.stringMatching(new RegExp(`^${name} must be .*Example: ${name}=\\S`)),
      );
    }
    expect(message).not.toMatch(/secret (one|four|five)|secret-(two|three)/);
  });

  it.each([
    [
      'E2B_API_KEY',
      'sk-ant-oat01-0123456789abcdef',
      'an environment key of Anthropic, which belongs in ANTHROPIC_ENVIRONMENT_KEY',
    ],
    ['E2B_API_KEY', 'sk_e2b_0123456789abcdef', 'an access token of an E2B user'],
    [
      'ANTHROPIC_ENVIRONMENT_KEY',
      'e2b_0123456789abcdef',
      'an API key of an E2B team, which belongs in E2B_API_KEY',
    ],
    [
      'ANTHROPIC_ENVIRONMENT_KEY',
      'sk-ant-api03-0123456789abcdef',
      'an API key of your Anthropic organisation',
    ],
    [
      'ANTHROPIC_ENVIRONMENT_KEY',
      'sk-ant-admin01-0123456789abcdef',
      'an admin key of your Anthropic organisation',
    ],
    ['ANTHROPIC_ENVIRONMENT_KEY', 'sk-ant-req-0123456789abcdef', 'the token of a single work item'],
    [
      'ANTHROPIC_ENVIRONMENT_KEY',
      SIGNING_KEY,
      'the signing key of a webhook, which belongs in ANTHROPIC_WEBHOOK_SIGNING_KEY',
    ],
    ['ANTHROPIC_WEBHOOK_SIGNING_KEY', 'sk-ant-oat01-0123456789abcdef', 'an environment key of Anthropic'],
    ['TEMPORAL_API_KEY', 'e2b_0123456789abcdef', 'an API key of an E2B team'],
    ['ANTHROPIC_ENVIRONMENT_ID', 'sk-ant-oat01-0123456789abcdef', 'an environment key of Anthropic'],
    ['E2B_TEMPLATE', 'e2b_0123456789abcdef', 'an API key of an E2B team'],
  ])('refuses a key of another kind in %s, says which it is, and does not show it', (name, key, kind) => {
    const { problems, message } = problemsOf({ ...required, [name]: key });
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^${name} must be .*, but holds ${kind}[.,]`)),
    ]);
    expect(message).not.toContain(key);
  });

  it('takes a name that only begins like a key', () => {
    expect(loadConfig({ ...required, E2B_TEMPLATE: 'e2b_tools' }).environments[0]?.e2b.template).toBe(
      'e2b_tools',
    );
  });

  it('names the Temporal settings when their files cannot be read', () => {
    const { problems } = problemsOf({ ...required, TEMPORAL_TLS_CLIENT_CERT_PATH: '/no/such/file' });
    expect(problems).toEqual([expect.stringContaining('TEMPORAL_TLS_')]);
  });
});

describe('loadWebhookConfig', () => {
  it('needs neither the E2B key nor the environment key', () => {
    const config = loadWebhookConfig({ ANTHROPIC_ENVIRONMENT_ID: 'env_1' });
    expect(config.environmentId).toBe('env_1');
    expect(loadWebhookConfig({}).environmentId).toBe('');
  });
});

describe('outputs and secrets', () => {
  it('reads the target of outputs and treats AWS credentials as secret', () => {
    expect(loadConfig(required)).not.toHaveProperty('outputs');
    const directory = loadConfig({ ...required, OUTPUTS_TARGET: '/data/outputs' });
    expect(directory.outputs).toEqual({ kind: 'directory', path: '/data/outputs' });
    expect(directory.environments[0]?.session).toMatchObject({ copyOutputs: true });
    const bucket = loadConfig({
      ...required,
      OUTPUTS_TARGET: 's3://my-bucket/a/b/',
      OUTPUTS_S3_ENDPOINT: 'https://storage.example.com',
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'aws-secret',
    });
    expect(bucket.outputs).toEqual({
      kind: 's3',
      bucket: 'my-bucket',
      prefix: 'a/b',
      endpoint: 'https://storage.example.com',
      region: 'eu-central-1',
      credentials: { accessKeyId: 'id', secretAccessKey: 'aws-secret' },
    });
    expect(bucket.secrets).toContain('aws-secret');
    for (const wrong of ['outputs', 's3://', 's3://Not_A_Bucket', 'https://example.com/x'])
      expect(() => loadConfig({ ...required, OUTPUTS_TARGET: wrong })).toThrow(/OUTPUTS_TARGET must be/);
  });

  it('collects the values that are secret', () => {
    const env = { ...required, TEMPORAL_API_KEY: 'temporal-key', ANTHROPIC_WEBHOOK_SIGNING_KEY: SIGNING_KEY };
    const keys = [required.ANTHROPIC_ENVIRONMENT_KEY, required.E2B_API_KEY, SIGNING_KEY, 'temporal-key'];
    expect(loadConfig(env).secrets.sort()).toEqual(keys.sort());
    const headers = 'authorization=Bearer one, x-key=two=2';
    const { secrets } = loadConfig({ ...env, OTEL_EXPORTER_OTLP_HEADERS: headers });
    expect(secrets.sort()).toEqual([...keys, headers, 'Bearer one', 'two=2'].sort());
  });
});

describe('readEnvironment', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'config-'));
    process.env.SETTING_OF_THE_SHELL = 'shell';
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
    delete process.env.SETTING_OF_THE_SHELL;
  });

  it('lets variables of the process win over the file', () => {
    writeFileSync(join(dir, '.env'), '# keys\nSETTING_OF_THE_SHELL=file\nSETTING_OF_THE_FILE="two words"\n');
    const env = readEnvironment(join(dir, '.env'));
    expect(env.SETTING_OF_THE_SHELL).toBe('shell');
    expect(env.SETTING_OF_THE_FILE).toBe('two words');
    expect(process.env.SETTING_OF_THE_FILE).toBeUndefined();
  });

  it('works without a file', () => {
    expect(readEnvironment(join(dir, '.env')).SETTING_OF_THE_SHELL).toBe('shell');
  });
});
