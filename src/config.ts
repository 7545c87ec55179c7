// The configuration: the only reader of the environment and of `.env`. Everything else gets a Config.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import type { Config, EnvironmentConfig, WebhookConfig } from './config-shape.ts';
import { type EnvironmentEntry, LIST_EXAMPLE, readEnvironmentList } from './environment-list.ts';
import { isOutputsTarget, outputsOf } from './outputs/target.ts';
import { SETTINGS, type Setting } from './settings.ts';

export type { Config, E2BConfig, EnvironmentConfig, WebhookConfig } from './config-shape.ts';
export { SETTINGS } from './settings.ts';

export type Environment = Record<string, string | undefined>;

/** The configuration cannot be used. The message lists every problem; it holds no value of any variable. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: string[]) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    const lines = problems.map((problem) => `  ${problem}`).join('\n');
    super(`The configuration has ${count} (set variables in the environment or in .env):\n${lines}`);
    this.problems = problems;
  }
}

const text = z.string();
const token = text.regex(/^[\x21-\x7e]+$/, 'must be one word without spaces');
const url = text.refine(isOrigin, 'must be an http:// or https:// address');
const flag = text
  .regex(/^(true|false|1|0)$/i, 'must be true or false')
  .transform((value) => /^(true|1)$/i.test(value));
const SIGNING_KEY = /^whsec_[A-Za-z0-9+/]{16,}={0,2}$/;
const signingKeys = text
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .refine(
    (keys) => keys.every(isSigningKey),
    'must be a signing key as the Console shows it, whsec_ and base64',
  );

const schema = z.object({
  ANTHROPIC_ENVIRONMENTS: text.optional(),
  ANTHROPIC_ENVIRONMENTS_FILE: text.optional(),
  ANTHROPIC_ENVIRONMENT_ID: text.regex(/^[\w-]{1,128}$/, 'must be the id of an environment').optional(),
  ANTHROPIC_ENVIRONMENT_KEY: token.optional(),
  ANTHROPIC_BASE_URL: url.optional(),
  ANTHROPIC_WEBHOOK_SIGNING_KEY: signingKeys.optional(),
  ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE: text.optional(),
  E2B_API_KEY: token,
  E2B_TEMPLATE: token,
  E2B_SANDBOX_TIMEOUT_SECONDS: number(10, 86_400),
  E2B_AUTO_RESUME: flag,
  E2B_ALLOW_INTERNET_ACCESS: flag,
  E2B_DOMAIN: token.optional(),
  E2B_API_URL: url.optional(),
  E2B_SANDBOX_URL: url.optional(),
  E2B_MAX_RUNNING_SANDBOXES: number(0, 100_000).refine(Number.isInteger, 'must be a whole number'),
  E2B_MAX_STARTS_PER_SECOND: number(0, 1_000),
  ANTHROPIC_MAX_CLAIMS_PER_MINUTE: number(0, 100_000),
  TEMPORAL_ADDRESS: text.regex(/^(\[[0-9a-f:]+\]|[^\s:/]+):\d{1,5}$/i, 'must be host:port'),
  TEMPORAL_NAMESPACE: token,
  TEMPORAL_API_KEY: token.optional(),
  WEBHOOK_HOST: token,
  WEBHOOK_PORT: number(0, 65_535).refine(Number.isInteger, 'must be a whole number'),
  ROUTING_SCOPE: z.enum(['session', 'agent', 'environment'], 'must be session, agent or environment'),
  SESSION_GRACE_SECONDS: number(0, 86_400),
  SESSION_RETENTION_HOURS: number(0.001, 24 * 365),
  RECONCILE_SECONDS: number(1, 86_400),
  SESSION_STUCK_CALLS: z.enum(['run', 'answer', 'interrupt'], 'must be run, answer or interrupt'),
  OUTPUTS_TARGET: text
    .refine(isOutputsTarget, 'must be the absolute path of a directory, or s3://bucket/prefix')
    .optional(),
  OUTPUTS_S3_ENDPOINT: url.optional(),
  WORKER_MAX_ACTIVITIES: number(2, 100_000).refine(Number.isInteger, 'must be a whole number'),
  WORKER_MAX_CACHED_WORKFLOWS: number(0, 1_000_000).refine(Number.isInteger, 'must be a whole number'),
  WORKER_BUILD_ID: token.optional(),
  WORKER_SHUTDOWN_GRACE_SECONDS: number(0, 3_600),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'must be a log level'),
} satisfies Record<(typeof SETTINGS)[number]['name'], z.ZodType>);

type Values = z.output<typeof schema>;
/** The webhook server starts without these. */
const webhookSchema = schema.partial({ E2B_API_KEY: true });

/**
 * The whole configuration, as `start` and `worker` need it.
 * @throws ConfigError that lists every missing or malformed variable
 */
export function loadConfig(env: Environment = readEnvironment()): Config {
  const { values, environments, temporal, outputs } = parse(schema, env, true);
  return {
    environments: environments.map((entry) => environmentPart(values, entry)),
    temporal,
    webhook: webhookPart(values),
    ...optional('outputs', outputs),
    worker: {
      maxActivities: values.WORKER_MAX_ACTIVITIES,
      maxCachedWorkflows: values.WORKER_MAX_CACHED_WORKFLOWS,
      ...optional('buildId', values.WORKER_BUILD_ID),
      reconcileMs: Math.round(values.RECONCILE_SECONDS * 1000),
      shutdownGraceMs: values.WORKER_SHUTDOWN_GRACE_SECONDS * 1000,
    },
    logLevel: values.LOG_LEVEL,
  };
}

/**
 * The configuration of the webhook server alone; asks for no key of the environment or of E2B.
 * @throws ConfigError that lists every missing or malformed variable
 */
export function loadWebhookConfig(env: Environment = readEnvironment()): WebhookConfig {
  const { values, environments, temporal } = parse(webhookSchema, env, false);
  const [first, ...more] = environments;
  const only = first && more.length === 0 ? first : undefined;
  return {
    environmentId: only?.id ?? '',
    temporal,
    webhook: webhookPart(values),
    session: sessionPart(values, only),
    logLevel: values.LOG_LEVEL,
  };
}

/** The process's environment over the `.env` file of the working directory: a variable that is set wins. */
export function readEnvironment(file = '.env'): Environment {
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}), ...process.env };
}

/** Folder of a crash test's failpoints; no setting, for nobody else has a use for it. */
export function failpointsFolder(env: Environment = process.env): string | undefined {
  return env.FAILPOINTS;
}

/** Whether it has the form of a webhook signing key: `whsec_` and base64. */
export function isSigningKey(value: string): boolean {
  return SIGNING_KEY.test(value);
}

/** Values of the configuration that must never be shown. */
export function secretsOf(config: {
  environments?: EnvironmentConfig[];
  temporal: Config['temporal'];
  webhook: Config['webhook'];
  outputs?: Config['outputs'];
}): string[] {
  const { apiKey } = config.temporal.connectionOptions;
  const keys = (config.environments ?? []).flatMap(({ anthropic, e2b }) => [
    anthropic.environmentKey,
    e2b.apiKey,
  ]);
  const store = config.outputs?.kind === 's3' ? config.outputs.credentials : undefined;
  const storeKeys = [store?.secretAccessKey, store?.sessionToken];
  const secrets = [...keys, apiKey, ...storeKeys, ...config.webhook.signingKeys];
  return [...new Set(secrets.filter((secret) => typeof secret === 'string'))];
}

function parse<T>(
  kind: z.ZodType<T>,
  env: Environment,
  keysNeeded: boolean,
): { values: T; environments: EnvironmentEntry[]; temporal: Config['temporal']; outputs: Config['outputs'] } {
  // Compose files pass variables that are not set as empty strings: empty means unset.
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value?.trim()) given[name] = value.trim();
  const connection = temporalPart(given);
  const defaults = SETTINGS.flatMap((setting: Setting) =>
    setting.default === undefined ? [] : [[setting.name, setting.default]],
  );
  const result = kind.safeParse({ ...Object.fromEntries(defaults), ...given });
  const issues = result.success ? [] : result.error.issues;
  const problems = issues.map((issue) => explain(String(issue.path[0]), given, issue.message));
  const served = environmentsOf(given, keysNeeded);
  problems.unshift(...served.problems);
  if ('problem' in connection) problems.push(connection.problem);
  if (!result.success || 'problem' in connection || problems.length > 0) throw new ConfigError(problems);
  return {
    values: result.data,
    environments: served.entries,
    temporal: connection,
    outputs: outputsOf(given),
  };
}

/** The environment with variables of its own comes before those of the list. */
function environmentsOf(given: Record<string, string>, keysNeeded: boolean) {
  const { ANTHROPIC_ENVIRONMENT_ID: id, ANTHROPIC_ENVIRONMENT_KEY: key } = given;
  const list = readEnvironmentList(given);
  const { entries, problems } = list ?? { entries: [], problems: [] };
  if (id && entries.some((entry) => entry.id === id))
    problems.push(`ANTHROPIC_ENVIRONMENT_ID is in the list of environments, too: name it once`);
  const missing = (name: string) => problems.push(explain(name, {}, ''));
  if (!id && !list) missing('ANTHROPIC_ENVIRONMENT_ID');
  if (keysNeeded && !key && (id || !list)) missing('ANTHROPIC_ENVIRONMENT_KEY');
  for (const entry of entries.filter((one) => keysNeeded && !one.key))
    problems.push(
      `the entry of ${entry.id} in the list of environments has no key. Example: ${LIST_EXAMPLE}`,
    );
  return { entries: id ? [{ id, ...optional('key', key) }, ...entries] : entries, problems };
}

function explain(name: string, given: Record<string, string>, message: string): string {
  const setting: Setting | undefined = SETTINGS.find((each) => each.name === name);
  const wrong = given[name] === undefined ? 'is not set' : message;
  return `${name} ${wrong}. ${setting?.meaning}. Example: ${name}=${setting?.example}`;
}

function temporalPart(given: Record<string, string>): Config['temporal'] | { problem: string } {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: given });
    return {
      connectionOptions: { ...connectionOptions, address: connectionOptions.address ?? '127.0.0.1:7233' },
      namespace: namespace ?? 'default',
    };
  } catch {
    // The reason may quote a file that holds keys.
    return {
      problem:
        'TEMPORAL_* cannot be used: TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE or a TEMPORAL_TLS_* file is missing or malformed. Example: TEMPORAL_ADDRESS=127.0.0.1:7233',
    };
  }
}

type WebhookValues = Pick<Values, keyof Values & `${'WEBHOOK' | 'ANTHROPIC_WEBHOOK'}_${string}`>;

function webhookPart(values: WebhookValues): Config['webhook'] {
  return {
    host: values.WEBHOOK_HOST,
    port: values.WEBHOOK_PORT,
    signingKeys: values.ANTHROPIC_WEBHOOK_SIGNING_KEY ?? [],
    ...optional('signingKeyFile', values.ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE),
  };
}

function environmentPart(values: Values, entry: EnvironmentEntry): EnvironmentConfig {
  return {
    anthropic: {
      ...optional('baseUrl', values.ANTHROPIC_BASE_URL),
      environmentId: entry.id,
      environmentKey: entry.key ?? '',
    },
    e2b: {
      apiKey: values.E2B_API_KEY,
      ...optional('apiUrl', values.E2B_API_URL),
      ...optional('sandboxUrl', values.E2B_SANDBOX_URL),
      ...optional('domain', values.E2B_DOMAIN),
      template: entry.template ?? values.E2B_TEMPLATE,
      timeoutMs: values.E2B_SANDBOX_TIMEOUT_SECONDS * 1000,
      autoResume: values.E2B_AUTO_RESUME,
      allowInternetAccess: values.E2B_ALLOW_INTERNET_ACCESS,
    },
    session: sessionPart(values, entry),
    stuckCalls: values.SESSION_STUCK_CALLS,
    limits: limitsPart(values, entry),
  };
}

function limitsPart(values: LimitValues, entry: Partial<EnvironmentEntry>): EnvironmentConfig['limits'] {
  return {
    account: {
      running: values.E2B_MAX_RUNNING_SANDBOXES,
      startsPerSecond: values.E2B_MAX_STARTS_PER_SECOND,
    },
    ofEnvironment: entry.maxRunningSandboxes ?? 0,
  };
}

type LimitValues = Pick<Values, 'E2B_MAX_RUNNING_SANDBOXES' | 'E2B_MAX_STARTS_PER_SECOND'>;
type SessionValues = LimitValues &
  Pick<
    Values,
    | 'SESSION_GRACE_SECONDS'
    | 'SESSION_RETENTION_HOURS'
    | 'ANTHROPIC_MAX_CLAIMS_PER_MINUTE'
    | 'ROUTING_SCOPE'
    | 'OUTPUTS_TARGET'
  >;

function sessionPart(
  values: SessionValues,
  entry: Partial<EnvironmentEntry> = {},
): EnvironmentConfig['session'] {
  const { account, ofEnvironment } = limitsPart(values, entry);
  const limited = account.running > 0 || account.startsPerSecond > 0 || ofEnvironment > 0;
  const scope = entry.routingScope ?? values.ROUTING_SCOPE;
  const claimsPerMinute = values.ANTHROPIC_MAX_CLAIMS_PER_MINUTE;
  return {
    graceMs: Math.round((entry.graceSeconds ?? values.SESSION_GRACE_SECONDS) * 1000),
    retentionMs: Math.round((entry.retentionHours ?? values.SESSION_RETENTION_HOURS) * 3_600_000),
    // Sessions that are not limited know nothing of limits.
    ...(limited ? { limited } : {}),
    ...(claimsPerMinute > 0 ? { claimsPerMinute } : {}),
    // Nor of sharing, where each has its own sandbox.
    ...(scope === 'session' ? {} : { scope }),
    ...(values.OUTPUTS_TARGET ? { copyOutputs: true } : {}),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

function number(min: number, max: number) {
  const message = `must be a number from ${min} to ${max}`;
  return z.coerce.number(message).min(min, message).max(max, message);
}

function isOrigin(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
