// Declares every setting of the deployment. The table has the shape of the configuration file; the checks, the messages,
// the file's JSON Schema and docs/settings.md are derived from it. To add a setting, add it here and read its value in
// ../config.ts.
import {
  choice,
  e2bKey,
  filePath,
  hookSecrets,
  number,
  organizationKey,
  outputsTarget,
  signingKeys,
  url,
  wholeNumber,
  word,
} from './kinds.ts';
import { setting } from './setting.ts';
import { TEMPORAL } from './temporal-settings.ts';
import { TRACES } from './traces-settings.ts';

/** Settings of the whole deployment. */
export const DEPLOYMENT = {
  anthropic: {
    baseUrl: setting(url, {
      variable: 'ANTHROPIC_BASE_URL',
      meaning: 'Base URL of the Anthropic API, if it is not the public one',
      example: 'http://127.0.0.1:4100',
      neededBy: 'worker',
    }),
    apiKey: setting(organizationKey, {
      variable: 'ANTHROPIC_API_KEY',
      meaning:
        'API key of your organisation, for the commands that create things or speak for a person: `setup`, `send`, `approvals`, `teardown`. The router itself never uses it',
      example: 'sk-ant-api03-…',
      neededBy: 'commands',
      secret: true,
    }),
  },
  webhook: {
    host: setting(word, {
      variable: 'WEBHOOK_HOST',
      meaning: 'Address that the webhook server listens on',
      default: '127.0.0.1',
      example: '0.0.0.0',
      neededBy: 'webhook',
    }),
    port: setting(wholeNumber(0, 65_535), {
      variable: 'WEBHOOK_PORT',
      meaning: 'Port that the webhook server listens on. 0 = any free port',
      default: 8000,
      example: 8080,
      neededBy: 'webhook',
    }),
    signingKey: setting(signingKeys, {
      variable: 'ANTHROPIC_WEBHOOK_SIGNING_KEY',
      meaning: 'Signing key of the webhook; while keys are rotated, several keys separated by commas',
      example: 'whsec_…',
      neededBy: 'webhook',
      secret: true,
    }),
    signingKeyFile: setting(filePath, {
      variable: 'ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE',
      meaning:
        'File with signing keys, one per line; it is read again whenever it changes and may be created after the start',
      example: '/run/secrets/webhook-signing-key',
      neededBy: 'webhook',
    }),
  },
  temporal: TEMPORAL,
  admin: {
    host: setting(word, {
      variable: 'ADMIN_HOST',
      meaning: 'Address of the admin server, which serves metrics for Prometheus, liveness and readiness',
      default: '127.0.0.1',
      example: '0.0.0.0',
      neededBy: 'both',
    }),
    port: setting(wholeNumber(0, 65_535), {
      variable: 'ADMIN_PORT',
      meaning:
        'Port of the admin server; if it is in use, the process takes another one and logs it. 0 = any free port',
      default: 9464,
      example: 9090,
      neededBy: 'both',
    }),
  },
  codecServer: {
    host: setting(word, {
      variable: 'CODEC_SERVER_HOST',
      meaning: "Address that the codec server listens on, which decrypts histories for Temporal's UI",
      default: '127.0.0.1',
      example: '0.0.0.0',
      neededBy: 'codec-server',
    }),
    port: setting(wholeNumber(0, 65_535), {
      variable: 'CODEC_SERVER_PORT',
      meaning: 'Port that the codec server listens on. 0 = any free port',
      default: 8001,
      example: 8081,
      neededBy: 'codec-server',
    }),
    uiOrigin: setting(url, {
      variable: 'CODEC_SERVER_UI_ORIGIN',
      meaning: "Origin of Temporal's UI, the only page that may use the codec server",
      default: 'http://127.0.0.1:8233',
      example: 'https://cloud.temporal.io',
      neededBy: 'codec-server',
    }),
    tokenFile: setting(filePath, {
      variable: 'CODEC_SERVER_TOKEN_FILE',
      meaning:
        'File with the token that callers of the codec server must send: as bearer token, or as password of basic authentication',
      example: '/run/secrets/codec-server-token',
      neededBy: 'codec-server',
    }),
  },
  e2b: {
    apiKey: setting(e2bKey, {
      variable: 'E2B_API_KEY',
      meaning: 'E2B API key of your team',
      example: 'e2b_…',
      neededBy: 'worker',
      required: true,
      secret: true,
    }),
    domain: setting(word, {
      variable: 'E2B_DOMAIN',
      meaning: 'E2B domain, if it is not `e2b.app`',
      example: 'e2b.example.com',
      neededBy: 'worker',
    }),
    apiUrl: setting(url, {
      variable: 'E2B_API_URL',
      meaning: "Base URL of E2B's API, if it is not the public one",
      example: 'http://127.0.0.1:4200',
      neededBy: 'worker',
    }),
    sandboxUrl: setting(url, {
      variable: 'E2B_SANDBOX_URL',
      meaning: 'Base URL for all sandboxes, if they have no host names of their own',
      example: 'http://127.0.0.1:4200',
      neededBy: 'worker',
    }),
    maxRunningSandboxes: setting(wholeNumber(0, 100_000), {
      variable: 'E2B_MAX_RUNNING_SANDBOXES',
      meaning:
        'Maximum number of sandboxes that run at once, across all environments; further sessions wait in order. 0 = unlimited',
      default: 0,
      example: 100,
      neededBy: 'both',
    }),
    maxStartsPerSecond: setting(number(0, 1_000), {
      variable: 'E2B_MAX_STARTS_PER_SECOND',
      meaning:
        'Maximum number of sandboxes created or resumed per second; fractions are allowed. 0 = unlimited',
      default: 0,
      example: 5,
      neededBy: 'both',
    }),
  },
  outputs: {
    target: setting(outputsTarget, {
      variable: 'OUTPUTS_TARGET',
      meaning:
        'Where files below `/mnt/session/outputs` are copied before a sandbox is killed: a directory, or `s3://bucket/prefix`. If not set, they are not copied',
      example: 's3://my-bucket/agents',
      neededBy: 'both',
    }),
    s3Endpoint: setting(url, {
      variable: 'OUTPUTS_S3_ENDPOINT',
      meaning: 'Address of S3-compatible storage, if it is not AWS',
      example: 'https://storage.example.com',
      neededBy: 'worker',
    }),
    s3Region: setting(word, {
      variable: 'AWS_REGION',
      meaning: 'Region of the bucket',
      default: 'us-east-1',
      example: 'eu-central-1',
      neededBy: 'worker',
    }),
    s3AccessKeyId: setting(word, {
      variable: 'AWS_ACCESS_KEY_ID',
      meaning:
        'Access key for the bucket; if not set, credentials are found in the same way as for any AWS client',
      example: 'AKIA…',
      neededBy: 'worker',
      secret: true,
    }),
    s3SecretAccessKey: setting(word, {
      variable: 'AWS_SECRET_ACCESS_KEY',
      meaning: 'Secret that belongs to the access key',
      example: 'wJalrXUtnFEMI…',
      neededBy: 'worker',
      secret: true,
    }),
    s3SessionToken: setting(word, {
      variable: 'AWS_SESSION_TOKEN',
      meaning: 'Session token, if the access key is temporary',
      example: 'FwoGZXIvYXdzE…',
      neededBy: 'worker',
      secret: true,
    }),
  },
  hook: {
    url: setting(url, {
      variable: 'HOOK_URL',
      meaning:
        'Address that is called when a call begins to wait for an approval, and when a session begins to need attention (docs/approvals.md)',
      example: 'https://ops.example.com/hooks/agents',
      neededBy: 'both',
    }),
    secret: setting(hookSecrets, {
      variable: 'HOOK_SECRET',
      meaning:
        'Secret that calls of the hook are signed with (Standard Webhooks); while secrets are rotated, several separated by commas',
      example: 'whsec_…',
      neededBy: 'worker',
      secret: true,
    }),
  },
  worker: {
    maxToolCalls: setting(wholeNumber(1, 100_000), {
      variable: 'WORKER_MAX_TOOL_CALLS',
      meaning: 'Maximum number of tool calls that one worker runs at once; further calls wait',
      default: 500,
      example: 200,
      neededBy: 'worker',
    }),
    maxWatchedSessions: setting(wholeNumber(1, 100_000), {
      variable: 'WORKER_MAX_WATCHED_SESSIONS',
      meaning:
        'Maximum number of sessions that one worker watches at once. Only sessions in a turn are watched, not those that wait for people; further sessions wait until a turn ends',
      default: 1000,
      example: 3000,
      neededBy: 'worker',
    }),
    maxActivities: setting(wholeNumber(1, 100_000), {
      variable: 'WORKER_MAX_ACTIVITIES',
      meaning:
        'Maximum number of other activities that one worker runs at once, separately for each kind: short activities (claim, post, pause, kill, …), preparing sandboxes, copying outputs',
      default: 100,
      example: 50,
      neededBy: 'worker',
    }),
    maxCachedWorkflows: setting(wholeNumber(0, 1_000_000), {
      variable: 'WORKER_MAX_CACHED_WORKFLOWS',
      meaning:
        'Maximum number of sessions that one worker keeps in memory (about 300 KiB each where the heap is bounded as in the image, else up to 450 KiB); further sessions are replayed when they wake',
      default: 1000,
      example: 5000,
      neededBy: 'worker',
    }),
    buildId: setting(word, {
      variable: 'WORKER_BUILD_ID',
      meaning:
        'Build ID; enables Worker Versioning. The worker receives no work until its build is made current',
      example: '2026-11-24.1',
      neededBy: 'worker',
    }),
    reconcileSeconds: setting(number(1, 86_400), {
      variable: 'RECONCILE_SECONDS',
      meaning:
        'How often the router checks the queue, sandboxes and sessions against each other and repairs what lost messages left behind',
      default: 300,
      example: 60,
      neededBy: 'worker',
    }),
    shutdownGraceSeconds: setting(number(0, 3_600), {
      variable: 'WORKER_SHUTDOWN_GRACE_SECONDS',
      meaning:
        'How long a stopping worker lets running activities finish before another worker takes them over',
      default: 10,
      example: 30,
      neededBy: 'worker',
    }),
  },
  traces: TRACES,
  log: {
    level: setting(choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), {
      variable: 'LOG_LEVEL',
      meaning: 'Lowest level that is logged',
      default: 'info',
      example: 'debug',
      neededBy: 'both',
    }),
  },
};

/** The path of the configuration file itself. */
export const CONFIG_FILE = setting(filePath, {
  variable: 'ROUTER_CONFIG_FILE',
  meaning:
    'Path of the configuration file (default: `managed-agents-router.yaml`, `.yml` or `.json` in the working directory, if there is one); also `--config`',
  example: '/etc/managed-agents-router.yaml',
  neededBy: 'both',
});
