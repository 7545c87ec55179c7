// The table of settings: every variable the router reads, what it means, its default and an example.
// The README's table and the messages of a ConfigError are made from it.

export interface Setting {
  name: string;
  /** One clause, for a person. */
  meaning: string;
  /** What applies where the variable is unset; absent where there is no default. */
  default?: string;
  example: string;
}

export const SETTINGS = [
  {
    name: 'ANTHROPIC_ENVIRONMENT_ID',
    meaning: 'The self-hosted environment whose sessions are served (required, unless there is a list)',
    example: 'env_011CZkZ9X2dpNyB7HsEFoRfW',
  },
  {
    name: 'ANTHROPIC_ENVIRONMENT_KEY',
    meaning: 'Key of that environment, from its page in the Console (required by the worker)',
    example: 'sk-ant-oat01-…',
  },
  {
    name: 'ANTHROPIC_ENVIRONMENTS',
    meaning:
      'Several environments, as a JSON list of `id`, `key` and, where they differ, `template`, `graceSeconds`, `retentionHours`, `maxRunningSandboxes`, `routingScope`',
    example:
      '[{"id":"env_a","key":"sk-ant-oat01-…"},{"id":"env_b","key":"sk-ant-oat01-…","graceSeconds":120}]',
  },
  {
    name: 'ANTHROPIC_ENVIRONMENTS_FILE',
    meaning: 'File with that list, in place of the variable',
    example: '/run/secrets/environments.json',
  },
  {
    name: 'ANTHROPIC_BASE_URL',
    meaning: 'Where the Anthropic API is, if not at its usual address',
    example: 'http://127.0.0.1:4100',
  },
  {
    name: 'ANTHROPIC_WEBHOOK_SIGNING_KEY',
    meaning: 'Signing key of the webhook; several, separated by commas, while it is rotated',
    example: 'whsec_…',
  },
  {
    name: 'ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE',
    meaning: 'File with signing keys, one a line, read again when it changes; may appear after the start',
    example: '/run/secrets/webhook-signing-key',
  },
  {
    name: 'E2B_API_KEY',
    meaning: 'Team key of E2B (required by the worker)',
    example: 'e2b_…',
  },
  {
    name: 'E2B_TEMPLATE',
    meaning: 'Template from which sandboxes are made (`npm run template` builds it)',
    default: 'managed-agents-router',
    example: 'managed-agents-router:stable',
  },
  {
    name: 'E2B_SANDBOX_TIMEOUT_SECONDS',
    meaning: 'How long a sandbox runs on after the last contact before E2B pauses it by itself',
    default: '600',
    example: '600',
  },
  {
    name: 'E2B_AUTO_RESUME',
    meaning: 'Whether inbound traffic wakes a paused sandbox',
    default: 'true',
    example: 'false',
  },
  {
    name: 'E2B_ALLOW_INTERNET_ACCESS',
    meaning: 'Whether programs in a sandbox reach the internet',
    default: 'true',
    example: 'false',
  },
  {
    name: 'E2B_MAX_RUNNING_SANDBOXES',
    meaning: 'How many sandboxes run at once, over all environments; sessions wait in order. 0: any number',
    default: '0',
    example: '100',
  },
  {
    name: 'E2B_MAX_STARTS_PER_SECOND',
    meaning: 'How many sandboxes are created or resumed in a second; fractions are allowed. 0: any number',
    default: '0',
    example: '5',
  },
  {
    name: 'ANTHROPIC_MAX_CLAIMS_PER_MINUTE',
    meaning:
      'How often a minute webhooks make the router ask for work, for each environment and however many workers run. 0: for every webhook',
    default: '0',
    example: '120',
  },
  { name: 'E2B_DOMAIN', meaning: 'Domain of E2B, if not `e2b.app`', example: 'e2b.example.com' },
  {
    name: 'E2B_API_URL',
    meaning: "Address of E2B's control plane, if not at its usual address",
    example: 'http://127.0.0.1:4200',
  },
  {
    name: 'E2B_SANDBOX_URL',
    meaning: 'Address of all sandboxes, if not their own host names',
    example: 'http://127.0.0.1:4200',
  },
  {
    name: 'TEMPORAL_ADDRESS',
    meaning: 'Host and port of the Temporal server',
    default: '127.0.0.1:7233',
    example: 'my-namespace.a1b2c.tmprl.cloud:7233',
  },
  {
    name: 'TEMPORAL_NAMESPACE',
    meaning: 'Temporal namespace',
    default: 'default',
    example: 'my-namespace.a1b2c',
  },
  {
    name: 'TEMPORAL_API_KEY',
    meaning:
      'API key of Temporal Cloud; turns TLS on. TEMPORAL_TLS*, TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE work as in every Temporal client',
    example: 'eyJhbGciOi…',
  },
  {
    name: 'WEBHOOK_HOST',
    meaning: 'Address the webhook server listens on',
    default: '127.0.0.1',
    example: '0.0.0.0',
  },
  {
    name: 'WEBHOOK_PORT',
    meaning: 'Port the webhook server listens on; 0 takes a free one',
    default: '8000',
    example: '8080',
  },
  {
    name: 'ROUTING_SCOPE',
    meaning:
      'Who has a sandbox: each `session`, or all sessions of an `agent`, or of the `environment`, together (docs/routing-scope.md)',
    default: 'session',
    example: 'agent',
  },
  {
    name: 'SESSION_GRACE_SECONDS',
    meaning: 'How long a sandbox stays awake after a turn, so that a follow-up finds it running',
    default: '30',
    example: '120',
  },
  {
    name: 'SESSION_RETENTION_HOURS',
    meaning: 'How long an unused session keeps its sandbox and files; fractions are allowed',
    default: '168',
    example: '0.5',
  },
  {
    name: 'RECONCILE_SECONDS',
    meaning: 'How often queue, sandboxes and sessions are compared, and what no message told of is mended',
    default: '300',
    example: '60',
  },
  {
    name: 'SESSION_STUCK_CALLS',
    meaning:
      'A call left behind without a work item or a kept result: `run` it, `answer` it with an error, or `interrupt` the turn',
    default: 'run',
    example: 'answer',
  },
  {
    name: 'OUTPUTS_TARGET',
    meaning:
      'Where files below `/mnt/session/outputs` are copied before a sandbox is killed: a directory, or `s3://bucket/prefix` with credentials as AWS clients have them (AWS_*). Nowhere if not set',
    example: 's3://my-bucket/agents',
  },
  {
    name: 'OUTPUTS_S3_ENDPOINT',
    meaning: 'Address of S3-compatible storage, if not AWS itself',
    example: 'https://storage.example.com',
  },
  {
    name: 'WORKER_MAX_ACTIVITIES',
    meaning: 'Activities that one worker runs at a time; each session at work takes one or two',
    default: '500',
    example: '200',
  },
  {
    name: 'WORKER_MAX_CACHED_WORKFLOWS',
    meaning:
      'Sessions that one worker keeps in memory (about 120 KiB each); the others are replayed when they wake',
    default: '1000',
    example: '5000',
  },
  {
    name: 'WORKER_BUILD_ID',
    meaning:
      'Name of this build: makes the worker a version of its deployment, to be set current before it serves anything',
    example: '2026-11-24.1',
  },
  {
    name: 'WORKER_SHUTDOWN_GRACE_SECONDS',
    meaning: 'How long a stopping worker lets running activities finish before it hands them over',
    default: '10',
    example: '30',
  },
  {
    name: 'LOG_LEVEL',
    meaning: 'One of trace, debug, info, warn, error, fatal, silent',
    default: 'info',
    example: 'debug',
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];
