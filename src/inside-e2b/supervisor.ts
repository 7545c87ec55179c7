// Runs the router inside its own E2B sandbox: webhook server, worker and Temporal server, with keys that are files. The keys
// may come after the start and may change; what they concern is started again.
import { readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, ConfigError, loadConfig, loadWebhookConfig } from '../config.ts';
import { type EmbeddedTemporal, startEmbeddedTemporal } from '../embedded-temporal/start.ts';
import { type Logger, scrub } from '../log.ts';
import { VERSION } from '../version.ts';
import { BoundedLog } from './bounded-log.ts';
import { Child } from './child.ts';
import { webhookVariables, workerVariables } from './child-variables.ts';
import { fileNameOf, type KeyFiles, readKeyFiles } from './key-files.ts';
import type { Layout } from './layout.ts';
import { readProcess, startTicks } from './process-start.ts';
import { ownSandboxId } from './sandbox-id.ts';

/** Keeps the sandbox awake while the router has work. */
export interface Wakefulness {
  stop(): Promise<void>;
}

export interface SupervisorOptions {
  layout: Layout;
  /** How this program is started, without its command. */
  program: readonly [string, ...string[]];
  log: Logger;
  /** Starts what keeps the sandbox awake; called again with the new configuration when keys change. */
  stayAwake?(options: { config: Config; sandboxId(): string | undefined; log: Logger }): Wakefulness;
}

/** What `deploy e2b status` reads. */
export interface SupervisorState {
  pid: number;
  /** Tells this process from a later one with the same pid. */
  startTicks?: string | undefined;
  /** Name of what `current` leads to. */
  release: string;
  version: string;
  sandboxId?: string | undefined;
  webhook: string;
  worker: string;
  /** What is wrong with the files, and which process ends again and again; empty if all is well. */
  problems: string[];
}

const POLL_MS = 1_000;

/** Runs until `stop` aborts. @throws Error if the Temporal server ends or cannot start; the caller starts the program again */
export async function supervise(options: SupervisorOptions, stop: AbortSignal): Promise<void> {
  const supervisor = new Supervisor(options);
  try {
    while (!stop.aborted) {
      await supervisor.tick();
      await sleep(POLL_MS, undefined, { signal: stop }).catch(() => undefined);
    }
  } finally {
    await supervisor.stop();
  }
}

class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #outputs: { webhook: BoundedLog; worker: BoundedLog };
  #files: KeyFiles | undefined;
  #applied: string | undefined;
  /** With which the worker runs. */
  #variables: Record<string, string> = {};
  #problems: string[] = [];
  #webhook: { child: Child; key: string } | undefined;
  #worker: { child: Child; key: string } | undefined;
  #awake: Wakefulness | undefined;
  #temporal: EmbeddedTemporal | undefined;
  #failure: Error | undefined;
  #written = '';
  readonly #startTicks = startTicks(readProcess());
  /** As it was at the start: an update changes the link while this version still runs. */
  readonly #release: string;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { logs, current } = options.layout;
    this.#release = releaseAt(current);
    this.#outputs = { webhook: new BoundedLog(logs.webhook), worker: new BoundedLog(logs.worker) };
  }

  async tick(): Promise<void> {
    if (this.#failure) throw this.#failure;
    const files = readKeyFiles(this.#options.layout);
    // A file is written in place: it counts when it has not changed for one round.
    const isSettled = files.version === this.#files?.version;
    const isFirst = this.#files === undefined;
    this.#files = files;
    if ((isSettled || isFirst) && files.version !== this.#applied) {
      this.#applied = files.version;
      await this.#apply(files);
    }
    this.#writeState();
  }

  async stop(): Promise<void> {
    await this.#awake?.stop();
    await this.#worker?.child.stop();
    await this.#webhook?.child.stop();
    await this.#temporal?.stop();
  }

  /** What runs goes on with the last files that were right. */
  async #apply(files: KeyFiles): Promise<void> {
    const { layout, log } = this.#options;
    const problems = [...files.problems];
    const variables = keptFor(files, this.#variables);
    const forWebhook = webhookVariables(variables, layout);
    const forWorker = workerVariables(variables, layout);
    const webhook = attempt(() => loadWebhookConfig(forWebhook), problems, files.unusable);
    const config = attempt(() => loadConfig(forWorker, 'worker'), problems, files.unusable);
    this.#problems = [...new Set(problems)];
    for (const problem of this.#problems) log.warn(problem);
    if (webhook) await this.#runWebhook(forWebhook, files.configVersion);
    if (config) {
      await this.#runWorker(config, forWorker, files.configVersion);
      this.#variables = variables;
    }
  }

  async #runWebhook(env: Record<string, string>, configVersion: string): Promise<void> {
    const key = JSON.stringify([env, configVersion]);
    if (this.#webhook?.key === key) return;
    await this.#webhook?.child.stop();
    this.#webhook = { child: this.#start('webhook', env), key };
  }

  async #runWorker(config: Config, env: Record<string, string>, configVersion: string): Promise<void> {
    const key = JSON.stringify([env, configVersion]);
    if (this.#worker?.key === key) return;
    const { log, stayAwake } = this.#options;
    await this.#awake?.stop();
    await this.#worker?.child.stop();
    this.#temporal ??= await this.#startTemporal(config);
    const environmentId = config.environments.map(({ anthropic }) => anthropic.environmentId).join(', ');
    log.info({ environmentId }, 'worker starts');
    this.#worker = { child: this.#start('worker', env), key };
    this.#awake = stayAwake?.({ config, sandboxId: ownSandboxId, log });
  }

  #start(role: 'webhook' | 'worker', env: Record<string, string>): Child {
    const { program, layout, log } = this.#options;
    return new Child({ role, program, cwd: layout.data, env, output: this.#outputs[role], log });
  }

  async #startTemporal({ temporal }: Config): Promise<EmbeddedTemporal> {
    const { layout, log } = this.#options;
    const server = await startEmbeddedTemporal(
      {
        dataFolder: layout.data,
        namespace: temporal.namespace,
        port: { port: layout.ports.temporal, variable: 'TEMPORAL_ADDRESS', given: true },
        refuseHttp: true,
        cli: join(layout.current, 'bin/temporal'),
      },
      (line) => log.info(line),
    );
    server.finished.catch((error) => {
      this.#failure = error;
    });
    return server;
  }

  #writeState(): void {
    const state: SupervisorState = {
      pid: process.pid,
      startTicks: this.#startTicks,
      release: this.#release,
      version: VERSION,
      sandboxId: ownSandboxId(),
      webhook: describe(this.#webhook?.child),
      worker: describe(this.#worker?.child),
      problems: [
        ...this.#problems,
        ...endings('webhook server', this.#webhook?.child),
        ...endings('worker', this.#worker?.child),
      ],
    };
    const text = `${JSON.stringify(state)}\n`;
    if (text === this.#written) return;
    try {
      // In place: on a full disk there is no room for a second file.
      writeFileSync(this.#options.layout.state, text, { mode: 0o600 });
      this.#written = text;
    } catch (error) {
      this.#options.log.error({ err: error }, 'the state cannot be written');
    }
  }
}

/** The files' values, and for a file that cannot be used the value that it had; in one order, to be compared. */
function keptFor({ variables, unusable }: KeyFiles, before: Record<string, string>): Record<string, string> {
  const kept = Object.entries(before).filter(([name]) => unusable.includes(name));
  return Object.fromEntries([...Object.entries(variables), ...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function releaseAt(link: string): string {
  try {
    return basename(readlinkSync(link));
  } catch {
    return '';
  }
}

function describe(child: Child | undefined): string {
  if (!child) return 'waits for its keys';
  if (child.state !== 'ended') return child.state;
  return `has ended (${child.lastExit}) and is started again`;
}

function endings(name: string, child: Child | undefined): string[] {
  if (!child || child.endings === 0) return [];
  const times = child.endings === 1 ? '' : `${child.endings} times in a row, last `;
  return [`The ${name} has ended (${times}${child.lastExit}): see deploy e2b logs ${child.role}`];
}

/**
 * Adds what is wrong to the problems, in the words of files.
 * @param unusable variables whose files are among the problems already: a value of theirs is not missing
 */
function attempt<T>(load: () => T, problems: string[], unusable: readonly string[]): T | undefined {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isKnown = (problem: string) =>
      / is not set\b/.test(problem) && unusable.some((name) => new RegExp(`\\b${name}\\b`).test(problem));
    problems.push(...error.problems.filter((problem) => !isKnown(problem)).map(inWordsOfFiles));
    return undefined;
  }
}

/** `E2B_API_KEY is not set. … Example: …` is about the file `e2b-api-key`. */
function inWordsOfFiles(problem: string): string {
  const about = /^([A-Z][A-Z0-9_]+) /.exec(problem)?.[1];
  if (about === undefined) return scrub(problem);
  const rest = problem
    .slice(about.length)
    .replace(/^ is not set\b/, ' is not there yet')
    .replace(/ Example: .*$/s, '');
  return scrub(`The file ${fileNameOf(about)}${rest}`);
}
