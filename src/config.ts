// Builds the Config from the configuration file, the environment and `.env`. No other module reads any of these.
import { findWorkerConflicts } from './config/conflicts.ts';
import { DEPLOYMENT } from './config/deployment-settings.ts';
import { COMMON } from './config/environment-settings.ts';
import { splitKeys } from './config/kinds.ts';
import { optional } from './config/optional.ts';
import { outputsOf } from './config/outputs.ts';
import { ConfigError } from './config/problems.ts';
import type { Environment } from './config/references.ts';
import type { Config, EnvironmentConfig, HookConfig, Inspection, WebhookConfig } from './config/shape.ts';
import { readPart, readTemporalValues, readValues, type Values } from './config/sources.ts';
import { type EmbeddedTemporalConfig, embeddedPart, temporalPart } from './config/temporal.ts';
import { readEnvironment } from './config/variables.ts';

export { type CommandSettings, loadCommandSettings } from './config/command-settings.ts';
export { isSigningKey } from './config/kinds.ts';
export { ConfigError } from './config/problems.ts';
export type { Environment } from './config/references.ts';
export type {
  Config,
  E2BConfig,
  EnvironmentConfig,
  HookConfig,
  Inspection,
  WebhookConfig,
} from './config/shape.ts';
export type { EmbeddedTemporalConfig } from './config/temporal.ts';
export type { Role } from './config/values.ts';
export { readEnvironment } from './config/variables.ts';

/**
 * The whole configuration, as `start` and `worker` need it.
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadConfig(env: Environment = readEnvironment(), role: 'start' | 'worker' = 'start'): Config {
  const values = readValues(env, role);
  const temporal = temporalPart(values);
  for (const problem of findWorkerConflicts(values)) values.problems.add(problem);
  if (values.problems.size > 0) throw new ConfigError(values.problems, values.warnings);
  const { deployment, environments } = values;
  return {
    admin: deployment.admin,
    deployment: deployment.temporal.deployment,
    environments: environments.map((environment) => environmentPart(deployment, environment)),
    temporal,
    traces: tracesPart(deployment),
    webhook: webhookPart(deployment),
    ...optional('outputs', outputsOf(deployment.outputs)),
    ...optional('hook', hookPart(deployment)),
    worker: {
      maxToolCalls: deployment.worker.maxToolCalls,
      maxWatchedSessions: deployment.worker.maxWatchedSessions,
      maxActivities: deployment.worker.maxActivities,
      maxCachedWorkflows: deployment.worker.maxCachedWorkflows,
      ...optional('buildId', deployment.worker.buildId),
      reconcileMs: Math.round(deployment.worker.reconcileSeconds * 1000),
      shutdownGraceMs: deployment.worker.shutdownGraceSeconds * 1000,
    },
    logLevel: deployment.log.level,
    warnings: values.warnings,
    secrets: secretsOf(values, temporal),
  };
}

/**
 * The configuration of the webhook server alone, which needs no environment key and no E2B key. If no single
 * environment is configured, the worker finds out to which environment a session belongs.
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadWebhookConfig(env: Environment = readEnvironment()): WebhookConfig {
  const values = readValues(env, 'webhook');
  const temporal = temporalPart(values);
  if (values.problems.size > 0) throw new ConfigError(values.problems, values.warnings);
  const { deployment, environments } = values;
  const [first, ...more] = environments;
  const only = first && more.length === 0 ? first : undefined;
  return {
    admin: deployment.admin,
    deployment: deployment.temporal.deployment,
    environmentId: only?.id ?? '',
    temporal,
    traces: tracesPart(deployment),
    webhook: webhookPart(deployment),
    session: sessionPart(deployment, only ?? { ...deployment, maxRunningSandboxes: 0 }),
    logLevel: deployment.log.level,
    warnings: values.warnings,
    secrets: secretsOf(values, temporal),
  };
}

/**
 * The settings for E2B alone, which need no environment.
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadE2BSettings(env: Environment = readEnvironment()) {
  return readPart({ e2b: DEPLOYMENT.e2b, sandbox: COMMON.sandbox }, env, 'worker');
}

/**
 * The settings of the owner's hook alone.
 * @returns undefined if no hook is configured
 * @throws ConfigError that lists every malformed setting
 */
export function loadHookConfig(env: Environment = readEnvironment()): HookConfig | undefined {
  return hookPart(readPart({ hook: DEPLOYMENT.hook }, env, 'worker'));
}

/**
 * The settings for Temporal alone, which is all that most commands need.
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadTemporalConfig(
  env: Environment = readEnvironment(),
): Pick<Config, 'temporal' | 'deployment'> {
  const values = readTemporalValues(env);
  const temporal = temporalPart(values);
  if (values.problems.size > 0) throw new ConfigError(values.problems, values.warnings);
  return { temporal, deployment: values.deployment.temporal.deployment };
}

/**
 * What `start` runs as its Temporal server.
 * @returns undefined if an address is set, by a variable, the file or Temporal's profile
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadEmbeddedTemporalConfig(
  env: Environment = readEnvironment(),
): EmbeddedTemporalConfig | undefined {
  const values = readTemporalValues(env);
  const embedded = embeddedPart(values);
  if (values.problems.size > 0) throw new ConfigError(values.problems, values.warnings);
  return embedded;
}

/**
 * The settings of the codec server.
 * @throws ConfigError that lists every missing or malformed setting
 */
export function loadCodecServerConfig(env: Environment = readEnvironment()) {
  const table = {
    codecServer: DEPLOYMENT.codecServer,
    temporal: { encryption: DEPLOYMENT.temporal.encryption },
    log: DEPLOYMENT.log,
  };
  const { codecServer, temporal, log } = readPart(table, env, 'worker');
  const problems = [
    [temporal.encryption.keyFolder, 'TEMPORAL_ENCRYPTION_KEY_FOLDER is not set: the folder of the keys'],
    [
      codecServer.tokenFile,
      'CODEC_SERVER_TOKEN_FILE is not set: the file of the token that callers must send',
    ],
  ].flatMap(([value, problem]) => (value === undefined && problem ? [problem] : []));
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...codecServer, ...temporal.encryption, logLevel: log.level };
}

/** Reads the configuration like `start`, but goes on where it has problems: a wrong value counts as not set. */
export function inspectConfig(env: Environment = readEnvironment()): Inspection {
  let values: Values;
  try {
    values = readValues(env, 'start');
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [], secrets: [] };
    throw error;
  }
  const temporal = temporalPart(values);
  for (const problem of findWorkerConflicts(values)) values.problems.add(problem);
  const { deployment, environments, problems, warnings, configFile } = values;
  return {
    problems: new ConfigError(problems).problems,
    warnings: new ConfigError(warnings).problems,
    ...optional('configFile', configFile),
    usable: {
      deployment: deployment.temporal.deployment,
      temporal,
      ...optional('anthropicUrl', deployment.anthropic.baseUrl),
      template: deployment.sandbox.template,
      environments: environments
        .filter(({ id }) => id !== undefined)
        .map(({ id, key, sandbox: { template, allowInternetAccess } }) => ({
          id,
          ...optional('key', key),
          template,
          allowInternetAccess,
        })),
      e2b: deployment.e2b,
      webhook: webhookPart(deployment),
      ...optional('outputs', outputsOf(deployment.outputs)),
    },
    secrets: secretsOf(values, temporal),
  };
}

/** All values to hide: a setting may hold several signing keys, and the API key may come from a Temporal profile. */
function secretsOf({ secrets, deployment }: Values, { connectionOptions }: Config['temporal']): string[] {
  const { apiKey } = connectionOptions;
  const signing = [deployment.webhook.signingKey, deployment.hook.secret];
  const headers = [...(deployment.traces.headers ?? '').matchAll(/=([^,]+)/g)].map(([, value = '']) =>
    value.trim(),
  );
  const others = [...signing.flatMap((keys) => splitKeys(keys ?? '')), ...headers, apiKey];
  return [...new Set([...secrets, ...others.filter((key) => typeof key === 'string')])];
}

type Deployment = Values['deployment'];
type OneEnvironment = Values['environments'][number];

function webhookPart({ webhook }: Deployment): Config['webhook'] {
  return {
    host: webhook.host,
    port: webhook.port,
    signingKeys: splitKeys(webhook.signingKey ?? ''),
    ...optional('signingKeyFile', webhook.signingKeyFile),
  };
}

function tracesPart({ traces }: Deployment): Config['traces'] {
  const { endpoint, headers, serviceName, sampleRatio } = traces;
  return { ...optional('endpoint', endpoint), ...optional('headers', headers), serviceName, sampleRatio };
}

function hookPart({ hook: { url, secret } }: Pick<Deployment, 'hook'>): HookConfig | undefined {
  return url && secret ? { url, secrets: splitKeys(secret) } : undefined;
}

function environmentPart(deployment: Deployment, environment: OneEnvironment): EnvironmentConfig {
  const { anthropic, e2b } = deployment;
  const { sandbox } = environment;
  return {
    anthropic: {
      ...optional('baseUrl', anthropic.baseUrl),
      environmentId: environment.id,
      environmentKey: environment.key,
    },
    e2b: {
      apiKey: e2b.apiKey,
      ...optional('apiUrl', e2b.apiUrl),
      ...optional('sandboxUrl', e2b.sandboxUrl),
      ...optional('domain', e2b.domain),
      template: sandbox.template,
      timeoutMs: sandbox.timeoutSeconds * 1000,
      autoResume: sandbox.autoResume,
      allowInternetAccess: sandbox.allowInternetAccess,
    },
    session: sessionPart(deployment, environment),
    stuckCalls: environment.session.stuckCalls,
    limits: limitsPart(deployment, environment),
  };
}

function limitsPart(
  { e2b }: Deployment,
  { maxRunningSandboxes }: Pick<OneEnvironment, 'maxRunningSandboxes'>,
): EnvironmentConfig['limits'] {
  return {
    account: { running: e2b.maxRunningSandboxes, startsPerSecond: e2b.maxStartsPerSecond },
    ofEnvironment: maxRunningSandboxes,
  };
}

function sessionPart(
  deployment: Deployment,
  environment: Pick<OneEnvironment, 'session' | 'queue' | 'maxRunningSandboxes'>,
): EnvironmentConfig['session'] {
  const { account, ofEnvironment } = limitsPart(deployment, environment);
  const limited = account.running > 0 || account.startsPerSecond > 0 || ofEnvironment > 0;
  const { routingScope: scope, graceSeconds, retentionHours, stuckMinutes } = environment.session;
  const claimsPerMinute = environment.queue.maxClaimsPerMinute;
  return {
    graceMs: Math.round(graceSeconds * 1000),
    retentionMs: Math.round(retentionHours * 3_600_000),
    // Absent rather than false or 0: the workflow skips what is not configured.
    ...(limited ? { limited } : {}),
    ...(claimsPerMinute > 0 ? { claimsPerMinute } : {}),
    ...(scope === 'session' ? {} : { scope }),
    ...(deployment.outputs.target ? { copyOutputs: true } : {}),
    ...(deployment.hook.url ? { hook: true } : {}),
    ...(stuckMinutes > 0 ? { stuckMs: Math.round(stuckMinutes * 60_000) } : {}),
  };
}
