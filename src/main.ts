#!/usr/bin/env node
// The command line: `managed-agents-router start|webhook|worker`. Wires the parts together and ends them in order.
import { parseArgs } from 'node:util';
import { connectTemporal, lazyTemporal, registerSearchAttributes } from './clients/temporal.ts';
import {
  type Config,
  ConfigError,
  loadConfig,
  loadWebhookConfig,
  readEnvironment,
  secretsOf,
  type WebhookConfig,
} from './config.ts';
import { armFailpoints } from './failpoints.ts';
import { createLogger, type Logger } from './log.ts';
import { VERSION } from './version.ts';
import { startWebhook } from './webhook/start.ts';

const HELP = `managed-agents-router ${VERSION}: runs the tool calls of Claude Managed Agents in E2B sandboxes.

Usage: managed-agents-router <command>

  start     webhook server and worker in one process
  webhook   webhook server alone: receives the events of sessions
  worker    worker alone: runs the sessions

  --help, --version

Settings come from the environment and from .env; the README lists them.
`;

/** Exit code for what only a change of the command line or of the settings can mend. */
const EXIT_USAGE = 2;

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

const commands: Record<string, () => Promise<{ parts: Part[]; log: Logger }>> = {
  async start() {
    const config = loadConfig();
    const log = createLogger(config.logLevel, secretsOf(config));
    return { parts: [await webhookPart(loadWebhookConfig(), log), await workerPart(config, log)], log };
  },
  async webhook() {
    const config = loadWebhookConfig();
    const log = createLogger(config.logLevel, secretsOf(config));
    return { parts: [await webhookPart(config, log)], log };
  },
  async worker() {
    const config = loadConfig(readEnvironment(), 'worker');
    const log = createLogger(config.logLevel, secretsOf(config));
    return { parts: [await workerPart(config, log)], log };
  },
};

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

async function main(args: string[]): Promise<number> {
  const command = parseCommand(args);
  if (command === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (command === 'version') {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  const start = Object.hasOwn(commands, command ?? '') ? commands[command ?? ''] : undefined;
  if (!start) {
    process.stderr.write(HELP);
    return EXIT_USAGE;
  }
  armFailpoints(process.env.FAILPOINTS);
  const interrupted = untilInterrupted();
  try {
    const { parts, log } = await start();
    process.stdout.write(`managed-agents-router: ${parts.map((part) => part.name).join('; ')}\n`);
    const code = await Promise.race([interrupted, ...parts.map((part) => untilFailed(part, log))]);
    log.info('stopping');
    for (const part of parts) part.drain?.();
    // The webhook server goes last: its 503 is what makes a delivery come again.
    for (const part of parts.toReversed()) await part.stop();
    return code;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return error instanceof ConfigError ? EXIT_USAGE : 1;
  }
}

/** @returns the command, `help`, `version`, or undefined for what is neither */
function parseCommand(args: string[]): string | undefined {
  try {
    const options = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (values.help) return 'help';
    if (values.version) return 'version';
    return positionals.length === 1 ? positionals[0] : undefined;
  } catch {
    return undefined;
  }
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

process.exit(await main(process.argv.slice(2)));
