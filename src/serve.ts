// Runs webhook server and worker in this process, where need be with a Temporal server beside it, and stops them in order.
import { type AdminDeps, createAdminServer, listen } from './admin/server.ts';
import { SearchAttributes } from './clients/search-attributes.ts';
import { connectTemporal, lazyTemporal, pingTemporal } from './clients/temporal.ts';
import { untilSearchable } from './clients/until-searchable.ts';
import { TEMPORAL } from './config/temporal-settings.ts';
import {
  type Config,
  type EmbeddedTemporalConfig,
  type Environment,
  loadConfig,
  loadEmbeddedTemporalConfig,
  loadTemporalConfig,
  loadWebhookConfig,
  type Role,
  type WebhookConfig,
} from './config.ts';
import { armFailpoints } from './failpoints.ts';
import { createLogger, type Logger } from './log.ts';
import { TemporalOutage } from './temporal-outage.ts';
import { untilInterrupted } from './until-interrupted.ts';
import { startWebhook } from './webhook/start.ts';

/** The webhook server or the worker. */
interface Part {
  /** For people: what it is and where it can be reached. */
  name: string;
  /** For people: further lines, printed at the start. */
  notes?: string[];
  /** Settles when the part ends without being stopped; rejects if it failed. */
  finished?: Promise<void>;
  /** Refuses new work from now on. */
  drain?(): void;
  stop(): Promise<void>;
}

/**
 * Runs until SIGINT or SIGTERM arrives, or a part fails.
 * @returns the exit code of the process
 * @throws ConfigError, or an Error that says why a part cannot start
 */
export async function serve(role: Role, env: Environment): Promise<number> {
  armFailpoints(process.env.FAILPOINTS);
  const interrupted = untilInterrupted().then(() => null);
  const parts: Part[] = [];
  let log: Logger;
  try {
    log = await startParts(role, env, parts);
  } catch (error) {
    for (const part of parts.toReversed()) await part.stop();
    throw error;
  }
  process.stdout.write(parts.map(({ name, notes = [] }) => [name, ...notes, ''].join('\n')).join(''));
  const failed = await Promise.race([interrupted, ...parts.map(untilFailed)]);
  if (failed) log.fatal({ part: failed.part.name, ...failed.cause }, 'a part has failed; the process exits');
  log.info('stopping');
  for (const part of parts) part.drain?.();
  // The webhook server stops last: it answers 503 until then, so that deliveries are sent again.
  for (const part of parts.toReversed()) await part.stop();
  return failed ? 1 : 0;
}

/**
 * Starts the parts in the order in which they need each other.
 * @param parts receives each part that has started, also if a later one fails
 */
async function startParts(role: Role, env: Environment, parts: Part[]): Promise<Logger> {
  // The configuration is checked before anything starts.
  const log = createPartsLog(role, env);
  const embedded = role === 'start' ? loadEmbeddedTemporalConfig(env) : undefined;
  const address = embedded && (await embeddedTemporalPart(embedded, parts));
  const settings = address ? { ...env, [TEMPORAL.address.variable]: address } : env;
  const { temporal } = loadTemporalConfig(settings);
  const outage = new TemporalOutage(log, () => pingTemporal(temporal));
  const webhook = role === 'worker' ? undefined : loadWebhookConfig(settings);
  const worker = role === 'webhook' ? undefined : loadConfig(settings, role);
  await tracesPart((worker ?? webhook) as WebhookConfig, log, parts);
  if (webhook) parts.push(await webhookPart(webhook, log, outage));
  const running = worker && (await startWorkerPart(worker, log, outage, parts));
  const { admin } = (worker ?? webhook) as WebhookConfig;
  parts.push(
    await adminPart(admin, {
      parts: [...(webhook ? (['webhook'] as const) : []), ...(worker ? (['worker'] as const) : [])],
      ready: () => pingTemporal(temporal).then(() => true),
      ...running,
      log,
    }),
  );
  return log;
}

function createPartsLog(role: Role, env: Environment): Logger {
  const worker = role === 'webhook' ? undefined : loadConfig(env, role);
  const webhook = role === 'worker' ? undefined : loadWebhookConfig(env);
  const secrets = [worker, webhook].flatMap((config) => config?.secrets ?? []);
  const log = createLogger((worker ?? webhook)?.logLevel ?? 'info', secrets);
  for (const warning of new Set([worker, webhook].flatMap((config) => config?.warnings ?? [])))
    log.warn(warning);
  return log;
}

/** @returns the address of the server */
async function embeddedTemporalPart(config: EmbeddedTemporalConfig, parts: Part[]): Promise<string> {
  const { startEmbeddedTemporal } = await import('./embedded-temporal/start.ts');
  const server = await startEmbeddedTemporal(config, (line) => process.stderr.write(`${line}\n`));
  const { address, uiUrl, finished, stop } = server;
  const name = `embedded Temporal ${address}, data in ${config.dataFolder}`;
  const notes = [
    `  UI: ${uiUrl}`,
    '  It serves one machine. For several workers, or sessions that survive the loss',
    '  of this machine, set TEMPORAL_ADDRESS to a Temporal cluster: docs/temporal.md',
  ];
  parts.push({ name, notes, finished, stop });
  return address;
}

/** Started before the parts that make spans, and stopped after them. */
async function tracesPart({ traces }: WebhookConfig, log: Logger, parts: Part[]): Promise<void> {
  const { endpoint } = traces;
  if (!endpoint) return;
  const { startTraces } = await import('./traces/start-traces.ts');
  const { stop } = startTraces({ ...traces, endpoint }, log);
  parts.push({ name: `traces to ${endpoint}`, stop });
}

async function webhookPart(config: WebhookConfig, log: Logger, outage: TemporalOutage): Promise<Part> {
  const temporal = lazyTemporal(config.temporal);
  const webhook = await startWebhook(config, temporal, log, outage);
  return {
    name: `webhook ${webhook.url}/webhook, health ${webhook.url}/health`,
    drain: webhook.drain,
    stop: async () => {
      outage.stop();
      await webhook.close();
      await temporal.connection.close();
    },
  };
}

/** @returns what the admin server shows of the worker */
async function startWorkerPart(
  config: Config,
  log: Logger,
  outage: TemporalOutage,
  parts: Part[],
): Promise<Pick<AdminDeps, 'refresh' | 'temporalMetrics'>> {
  // Loaded only here: the worker's code takes most of a second to load, and the webhook server does not need it.
  const { startWorker } = await import('./worker.ts');
  const temporal = await connectTemporal(config.temporal);
  const { namespace, connectionOptions } = config.temporal;
  const searchAttributes = new SearchAttributes(temporal.connection, namespace, log);
  await searchAttributes.ask();
  if (searchAttributes.known) await untilSearchable(temporal.connection, namespace);
  const served = config.environments.map(({ anthropic }) => anthropic.environmentId).join(', ');
  const worker = await startWorker(config, temporal, searchAttributes, log, outage);
  parts.push({
    name: `worker of ${served} on Temporal ${connectionOptions.address}, namespace ${namespace}`,
    finished: worker.finished,
    stop: async () => {
      outage.stop();
      await worker.stop();
      await temporal.connection.close();
    },
  });
  return { refresh: worker.refreshMetrics, temporalMetrics: worker.temporalMetrics };
}

async function adminPart(config: Config['admin'], deps: AdminDeps): Promise<Part> {
  const app = createAdminServer(deps);
  const url = await listen(app, config, deps.log);
  return { name: `metrics ${url}/metrics`, stop: () => app.close() };
}

interface Failure {
  part: Part;
  /** Absent where the part has ended without an error. */
  cause?: { err: unknown };
}

/** Resolves when the part fails or ends by itself. */
async function untilFailed(part: Part): Promise<Failure> {
  if (!part.finished) return new Promise<never>(() => undefined);
  try {
    await part.finished;
    return { part };
  } catch (err) {
    return { part, cause: { err } };
  }
}
