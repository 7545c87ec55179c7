// Runs webhook server and worker in this process and stops them in order.
import { connectTemporal, lazyTemporal, registerSearchAttributes } from './clients/temporal.ts';
import {
  type Config,
  type Environment,
  loadConfig,
  loadWebhookConfig,
  type Role,
  type WebhookConfig,
} from './config.ts';
import { armFailpoints } from './failpoints.ts';
import { createLogger, type Logger } from './log.ts';
import { untilInterrupted } from './until-interrupted.ts';
import { startWebhook } from './webhook/start.ts';

/** The webhook server or the worker. */
interface Part {
  /** For people: what it is and where it can be reached. */
  name: string;
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
  const interrupted = untilInterrupted();
  const { parts, log } = await startParts(role, env);
  process.stdout.write(`managed-agents-router: ${parts.map((part) => part.name).join('; ')}\n`);
  const code = await Promise.race([interrupted, ...parts.map((part) => untilFailed(part, log))]);
  log.info('stopping');
  for (const part of parts) part.drain?.();
  // The webhook server stops last: it answers 503 until then, so that deliveries are sent again.
  for (const part of parts.toReversed()) await part.stop();
  return code;
}

async function startParts(role: Role, env: Environment): Promise<{ parts: Part[]; log: Logger }> {
  const worker = role === 'webhook' ? undefined : loadConfig(env, role);
  const webhook = role === 'worker' ? undefined : loadWebhookConfig(env);
  const secrets = [worker, webhook].flatMap((config) => config?.secrets ?? []);
  const log = createLogger((worker ?? webhook)?.logLevel ?? 'info', secrets);
  for (const warning of (worker ?? webhook)?.warnings ?? []) log.warn(warning);
  const parts: Part[] = [];
  if (webhook) parts.push(await webhookPart(webhook, log));
  if (worker) parts.push(await workerPart(worker, log));
  return { parts, log };
}

async function webhookPart(config: WebhookConfig, log: Logger): Promise<Part> {
  const temporal = lazyTemporal(config.temporal);
  const webhook = await startWebhook(config, temporal, log);
  return {
    name: `webhook ${webhook.url}/webhook, health ${webhook.url}/health`,
    drain: webhook.drain,
    stop: async () => {
      await webhook.close();
      await temporal.connection.close();
    },
  };
}

async function workerPart(config: Config, log: Logger): Promise<Part> {
  // Loaded only here: the worker's code takes most of a second to load, and the webhook server does not need it.
  const { startWorker } = await import('./worker.ts');
  const temporal = await connectTemporal(config.temporal);
  const { namespace, connectionOptions } = config.temporal;
  const searchAttributes = await registerSearchAttributes(temporal.connection, namespace, log);
  const served = config.environments.map(({ anthropic }) => anthropic.environmentId).join(', ');
  const worker = await startWorker(config, temporal, searchAttributes, log);
  return {
    name: `worker of ${served} on Temporal ${connectionOptions.address}, namespace ${namespace}`,
    finished: worker.finished,
    stop: async () => {
      await worker.stop();
      await temporal.connection.close();
    },
  };
}

/** Resolves with 1 when the part fails or ends by itself. */
async function untilFailed(part: Part, log: Logger): Promise<number> {
  if (!part.finished) return new Promise<never>(() => undefined);
  try {
    await part.finished;
    log.error({ part: part.name }, 'part ended without being stopped; the process exits');
  } catch (error) {
    log.fatal({ err: error, part: part.name }, 'part failed; the process exits');
  }
  return 1;
}
