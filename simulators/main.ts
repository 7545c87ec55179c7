#!/usr/bin/env node
/**
 * `npm run simulate`: both simulators in one process. When they are ready, they print one JSON line with their URLs
 * and credentials on standard output; logs go to standard error; SIGINT or SIGTERM ends the process.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import type { RealModelOptions } from './anthropic/real-model.ts';
import { startManagedAgents } from './anthropic/server.ts';
import { HELP, type Options, parseOptions } from './options.ts';

/** Ports of the last start with this state folder; they are reused so that clients find the simulators again. */
interface Ports {
  anthropic?: number;
  e2b?: number;
}

interface Running {
  line: Record<string, unknown>;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const ended = new Promise<string>((end) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(signal));
  });
  const log = pino({ level: options.logLevel }, pino.destination({ fd: 2, sync: true }));
  const stateDir = options.state ? resolve(options.state) : await mkdtemp(join(tmpdir(), 'simulate-'));
  try {
    const running = await start(options, stateDir, log);
    process.stdout.write(`${JSON.stringify(running.line)}\n`);
    log.info(`${await ended}: closing`);
    await running.close();
  } finally {
    if (!options.state) await rm(stateDir, { recursive: true, force: true });
  }
}

async function start(options: Options, stateDir: string, log: pino.Logger): Promise<Running> {
  await mkdir(stateDir, { recursive: true });
  const ports = await readPorts(stateDir);
  const line: Record<string, unknown> = {};
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    let adminToken: string | undefined;
    const hostPorts: number[] = [];
    if (options.only !== 'e2b') {
      const simulator = await startManagedAgents({
        port: options.anthropicPort ?? ports.anthropic ?? 0,
        stateDir,
        webhookUrl: options.webhook,
        model: await realModel(options),
        switches: options.switches.anthropic,
        log: log.child({ simulator: 'anthropic' }),
      });
      closers.push(() => simulator.close());
      const { close: _close, adminToken: token, ...shown } = simulator;
      line.anthropic = shown;
      adminToken = token;
      ports.anthropic = Number(new URL(simulator.url).port);
      hostPorts.push(ports.anthropic);
    }
    if (options.only !== 'anthropic') {
      // Imported on demand: it needs Linux, the other simulator runs on any host.
      const { startE2B } = await import('./e2b/server.ts');
      const sandboxLog = log.child({ simulator: 'e2b' });
      const simulator = await startE2B({
        port: options.e2bPort ?? ports.e2b ?? 0,
        stateDir,
        templates: options.templates,
        hostPorts,
        switches: options.switches.e2b,
        log: (message) => sandboxLog.info(message),
        ...(adminToken === undefined ? {} : { adminToken }),
      });
      closers.push(() => simulator.close({ keep: options.keepSandboxes }));
      line.e2b = { url: simulator.url, apiKey: simulator.apiKey };
      adminToken = simulator.adminToken;
      ports.e2b = Number(new URL(simulator.url).port);
    }
    await writeFile(portsFile(stateDir), JSON.stringify(ports));
    return { line: { ...line, adminToken }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The key is no command line option, because every user of the host can read command lines. Throws for an empty key. */
async function realModel({ model }: Options): Promise<RealModelOptions | undefined> {
  if (!model) return undefined;
  const { url, name, keyFile } = model;
  const key =
    keyFile === undefined ? process.env.SIMULATE_MODEL_KEY : (await readFile(keyFile, 'utf8')).trim();
  if (key === '') throw new Error(`${keyFile ?? 'SIMULATE_MODEL_KEY'} is empty`);
  return { url, name, key };
}

function portsFile(stateDir: string): string {
  return join(stateDir, 'ports.json');
}

async function readPorts(stateDir: string): Promise<Ports> {
  const text = await readFile(portsFile(stateDir), 'utf8').catch(() => '{}');
  return JSON.parse(text) as Ports;
}

main().catch((error: Error & { code?: string; port?: number }) => {
  const taken = error.code === 'EADDRINUSE';
  const hint = taken ? ': choose another with --anthropic-port or --e2b-port' : '';
  process.stderr.write(`simulate: ${error.message}${hint}\n`);
  process.exitCode = 1;
});
