// `npm run bench:many`: many sessions in their turn at once on one worker, webhooks for many sessions of another
// environment, or one session beside others that do something large.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitOnSignal } from '../harness/exit-on-signal.ts';
import { createNamespace } from '../harness/temporal-namespace.ts';
import { startWorld, type World } from '../harness/world.ts';
import { CROWD_SETTINGS, crowd } from './crowd.ts';
import { besideNeighbours, neighbourSettings } from './neighbours.ts';
import { deliverForOtherEnvironment } from './other-environment.ts';
import { percentile } from './percentile.ts';

const HELP = `Measures many sessions at once, with the local simulators of Managed Agents and E2B.

Usage: npm run bench:many -- options

  --crowd N           N sessions in a turn at once, attended by one worker, and its memory
  --other-sessions N  N sessions of another environment that send webhooks
  --neighbours N      N calls of one session, alone and while four others print, sync memories, copy outputs or end turns
  --temporal A        uses the Temporal server at this address (host:port), in a namespace created for the run; default:
                      starts a dev server
  --json              prints the figures as JSON
  --help              shows this text
`;

const { values } = parseArgs({
  options: {
    crowd: { type: 'string' },
    'other-sessions': { type: 'string' },
    neighbours: { type: 'string' },
    temporal: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

exitOnSignal();

const log = (line: string) => process.stderr.write(`bench: ${line}\n`);

async function inWorld<Result>(
  settings: (stateDir: string) => Record<string, string>,
  use: (world: World) => Promise<Result>,
): Promise<Result> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const namespace = `bench-${Date.now()}`;
  const address = values.temporal;
  if (address) await createNamespace(address, namespace);
  const world = await startWorld({
    stateDir,
    settings: async () => settings(stateDir),
    onStarted: log,
    ...(address ? { temporal: { address, namespace } } : {}),
  });
  try {
    return await use(world);
  } finally {
    await world.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function print(figures: object, text: string): void {
  process.stdout.write(`${values.json ? JSON.stringify(figures, undefined, 2) : text}\n`);
}

async function benchCrowd(size: number): Promise<void> {
  const figures = await inWorld(
    () => CROWD_SETTINGS,
    (world) => crowd(world, size, log),
  );
  const { sessions, attendedAtOnce, ended, rss, seconds } = figures;
  print(
    figures,
    `${attendedAtOnce} of ${sessions} sessions attended at the same moment by one worker; ${ended} have taken their turn, ` +
      `${seconds} s in all\nworker: ${rss.idle} MiB before, ${rss.peak} MiB at most\n` +
      'One sandbox, shared by all of them, stands for one each: sandboxes cost the worker no memory of their own.',
  );
  if (ended < sessions || attendedAtOnce < sessions) process.exitCode = 1;
}

async function benchOtherEnvironment(sessions: number): Promise<void> {
  const { deliveryMs, ...cost } = await inWorld(
    () => ({}),
    (world) => deliverForOtherEnvironment(world, sessions),
  );
  const [p50, p99] = [percentile(deliveryMs, 0.5), percentile(deliveryMs, 0.99)];
  print(
    { sessions, p50, p99, ...cost },
    `each of ${sessions} sessions of another environment: ${cost.events} events, ${cost.eachMs.toFixed(1)} ms until its ` +
      `workflow had ended, no sandbox; a delivery answered after ${p50.toFixed(0)} ms (p99 ${p99.toFixed(0)} ms)`,
  );
}

async function benchNeighbours(calls: number): Promise<void> {
  const measured = await inWorld(neighbourSettings, (world) => besideNeighbours(world, calls, log));
  const figures = measured.map(({ neighbours, calls: ms, turns }) => ({
    neighbours,
    p50: percentile(ms, 0.5),
    p95: percentile(ms, 0.95),
    longest: Math.max(...ms),
    turns,
  }));
  const lines = figures.map(
    ({ neighbours, p50, p95, longest, turns }) =>
      `${neighbours.padEnd(22)} p50 ${p50} ms, p95 ${p95} ms, longest ${longest} ms; ${turns} turns of neighbours`,
  );
  print(figures, lines.join('\n'));
}

const [crowdSize, otherSessions] = [Number(values.crowd), Number(values['other-sessions'])];
const neighbourCalls = Number(values.neighbours);
if (values.help) process.stdout.write(HELP);
else if (!(crowdSize >= 1 || otherSessions >= 1 || neighbourCalls >= 1)) {
  process.stderr.write(`give --crowd, --other-sessions or --neighbours, with a number from 1\n\n${HELP}`);
  process.exitCode = 2;
} else {
  if (crowdSize >= 1) await benchCrowd(crowdSize);
  if (otherSessions >= 1) await benchOtherEnvironment(otherSessions);
  if (neighbourCalls >= 1) await benchNeighbours(neighbourCalls);
}
