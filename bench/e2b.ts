// Measures the local E2B simulator: the times of sandbox operations, and its behaviour under parallel load.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { E2B, type Sandbox } from 'e2b';
import { startE2B } from '../simulators/e2b/server.ts';
import { percentile } from './percentile.ts';

const HELP = `Measures the local E2B simulator through the unmodified SDK, as milliseconds at the client.

Usage: npm run bench:e2b -- [options]

  --rounds N       sandboxes created, paused, resumed and killed one after another (default 20)
  --sandboxes N    sandboxes created at once (default 50)
  --connections N  concurrent requests, each on its own connection, to one port of a sandbox (default 1000)
  --help           show this text
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    sandboxes: { type: 'string', default: '50' },
    connections: { type: 'string', default: '1000' },
    help: { type: 'boolean', short: 'h' },
  },
});

const SERVER = `require('http').createServer((q, r) => setTimeout(() => r.end('ok'), 1000)).listen(8000, () => console.log('up'))`;
const rows: string[] = [];

function row(what: string, ms: number[]): void {
  const cell = (share: number) => `${percentile(ms, share).toFixed(0)} ms`.padStart(10);
  rows.push(`${what.padEnd(48)}${cell(0.5)}${cell(0.99)}`);
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  into.push(performance.now() - start);
  return result;
}

async function alone(create: () => Promise<Sandbox>, rounds: number): Promise<void> {
  const times: Record<'create' | 'command' | 'pause' | 'resume' | 'kill', number[]> = {
    create: [],
    command: [],
    pause: [],
    resume: [],
    kill: [],
  };
  for (let round = 0; round < rounds; round += 1) {
    const sandbox = await timed(times.create, create);
    await timed(times.command, () => sandbox.commands.run('true'));
    await timed(times.pause, () => sandbox.pause());
    await timed(times.resume, () => sandbox.connect());
    await timed(times.kill, () => sandbox.kill());
  }
  for (const [what, ms] of Object.entries(times)) row(`${what}, alone`, ms);
}

async function together(create: () => Promise<Sandbox>, count: number): Promise<void> {
  const times = { create: [] as number[], command: [] as number[], all: [] as number[] };
  const sandboxes = await timed(times.all, () =>
    Promise.all(Array.from({ length: count }, () => timed(times.create, create))),
  );
  await Promise.all(sandboxes.map((sandbox) => timed(times.command, () => sandbox.commands.run('true'))));
  await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
  row(`create, ${count} at once: each`, times.create);
  row(`create, ${count} at once: until all were there`, times.all);
  row(`command in each of ${count} at once`, times.command);
}

/** Each answer takes a second, so that all connections are open at the same time. */
async function connections(url: string, create: () => Promise<Sandbox>, count: number): Promise<void> {
  const sandbox = await create();
  await sandbox.files.write('server.cjs', SERVER);
  let up = () => {};
  const ready = new Promise<void>((resolve) => {
    up = resolve;
  });
  const server = await sandbox.commands.run('node server.cjs', {
    background: true,
    timeoutMs: 0,
    onStdout: () => up(),
  });
  await ready;
  const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8000' };
  const times: number[] = [];
  const ask = async () => (await fetch(url, { headers })).text();
  const answers = await Promise.all(
    Array.from({ length: count }, () => timed(times, () => ask().catch((error: Error) => error.message))),
  );
  const failed = answers.filter((text) => text !== 'ok').length;
  row(`answer of 1 s, ${count} connections at once (${failed} failed)`, times);
  await server.kill();
  await sandbox.kill();
}

async function bench(rounds: number, sandboxes: number, count: number): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'e2b-bench-'));
  const { url, apiKey, close } = await startE2B({ stateDir });
  // The simulator runs in this process; its sandboxes would outlive it.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void close().finally(() => process.exit(1)));
  try {
    const client = new E2B({ apiKey, apiUrl: url, sandboxUrl: url, retries: 0 });
    const create = () => client.Sandbox.create('base', { timeoutMs: 3_600_000 });
    await alone(create, rounds);
    await together(create, sandboxes);
    await connections(url, create, count);
  } finally {
    await close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

const numbers = [values.rounds, values.sandboxes, values.connections].map(Number) as [number, number, number];
if (values.help) process.stdout.write(HELP);
else if (!numbers.every((value) => Number.isInteger(value) && value >= 1)) {
  process.stderr.write(`the options take whole numbers from 1\n\n${HELP}`);
  process.exitCode = 2;
} else {
  await bench(...numbers);
  const title = `${availableParallelism()} cores`.padEnd(48);
  process.stdout.write(`${[`${title}       p50       p99`, ...rows].join('\n')}\n`);
}
