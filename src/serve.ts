// Runs the parts of the router in this process, and ends them in order.
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
import { startWebhook } from './webhook/start.ts';

/** A part of the process, ended in two steps. */
interface Part {
  /** Says where it can be reached. */
  name: string;
  /** Rejects when the part fails by itself. */
  finished?: Promise<void>;
  /** Takes nothing new. */
  drain?(): void;
  stop(): Promise<void>;
}

/**
 * Runs until a signal ends it or a part fails.
 * @returns the exit code
 * @throws ConfigError, or why a part cannot be started
 */
export async function serve(role: Role, env: Environment): Promise<number> {
  armFailpoints(process.env.FAILPOINTS);
  const interrupted = untilInterrupted();
  const { parts, log } = await startParts(role, env);
  process.stdout.write(`managed-agents-router: ${parts.map((part) => part.name).join('; ')}\n`);
  const code = await Promise.race([interrupted, ...parts.map((part) => untilFailed(part, log))]);
  log.info('stopping');
  for (const part of parts) part.drain?.();
  // The webhook server goes last: its 503 is what makes a delivery come again.
  for (const part of parts.toReversed()) await part.stop();
  return code;
}

async function startParts(role: Role, env: Environment): Promise<{ parts: Part[]; log: Logger }> {
  const worker = role === 'webhook' ? undefined : loadConfig(env, role);
  const webhook = role === 'worker' ? undefined : loadWebhookConfig(env);
  const secrets = [worker, webhook].flatMap((config) => config?.secrets ?? []);
  const log = createLogger((worker ?? webhook)?.logLevel ?? 'info', secrets);
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
  // The webhook server alone does without the worker's code, which takes most of a second to load.
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

/** Resolves with 0 at the first SIGINT or SIGTERM; the second ends the process at once. */
function untilInterrupted(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(0);
      });
    }
  });
}

/** Resolves with 1 when the part fails or ends by itself. */
async function untilFailed(part: Part, log: Logger): Promise<number> {
  if (!part.finished) return new Promise<never>(() => undefined);
  try {
    await part.finished;
    log.error({ part: part.name }, 'ended by itself');
  } catch (error) {
    log.fatal({ err: error, part: part.name }, 'failed');
  }
  return 1;
}
