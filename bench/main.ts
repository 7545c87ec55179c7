// `npm run bench`: measures how much the router adds to a bare loop of signal and activity on the same Temporal server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createNamespace } from '../harness/temporal-namespace.ts';
import { startWorld, type WorldOptions } from '../harness/world.ts';
import { bareLoop } from './bare-loop.ts';
import { CROWD_SETTINGS, type Crowd, crowd } from './crowd.ts';
import { deliverForOtherEnvironment } from './other-environment.ts';
import { percentile } from './percentile.ts';
import { backToBack, firstToolTimes } from './turn-times.ts';

const HELP = `Measures the router with the local simulators of Managed Agents and E2B, compared with a bare loop of signal and
activity on the same Temporal server.

Usage: npm run bench [-- options]

  --rounds N          sessions to measure from the webhook to the first tool (default 10)
  --calls N           consecutive tool calls in one turn (default 50)
  --other-sessions N  sessions of another environment that send webhooks (default 200)
  --crowd N           instead: N sessions in a turn at once, attended by one worker, and its memory
  --temporal A        use the Temporal server at this address (host:port), in a namespace created for the run; default:
                      starts a dev server
  --json              print the figures as JSON
  --help              show this text
`;

interface Figure {
  what: string;
  p50: number;
  p99: number;
  /** The same step in the bare loop. */
  bare: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    calls: { type: 'string', default: '50' },
    'other-sessions': { type: 'string', default: '200' },
    crowd: { type: 'string' },
    temporal: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

interface Results {
  figures: Figure[];
  /** Workflow history events per tool call. */
  eventsPerCall: number;
  /** Cost of a session of another environment: events of its workflow, milliseconds until the workflow has ended. */
  otherEnvironment: { sessions: number; events: number; eachMs: number };
}

/** @param address of a running Temporal server */
async function temporalOf(address: string | undefined): Promise<Pick<WorldOptions, 'temporal'>> {
  if (!address) return {};
  const namespace = `bench-${Date.now()}`;
  await createNamespace(address, namespace);
  return { temporal: { address, namespace } };
}

async function benchCrowd(sessions: number): Promise<Crowd> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const log = (line: string) => process.stderr.write(`bench: ${line}\n`);
  const settings = async () => CROWD_SETTINGS;
  const temporal = await temporalOf(values.temporal);
  const world = await startWorld({ stateDir, settings, workers: 1, onStarted: log, ...temporal });
  try {
    return await crowd(world, sessions, log);
  } finally {
    await world.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function bench(rounds: number, calls: number, otherSessions: number): Promise<Results> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const log = (line: string) => process.stderr.write(`bench: ${line}\n`);
  // Without a model delay, the measured times are those of the router.
  const switches = ['model-delay-ms=0'];
  const temporal = await temporalOf(values.temporal);
  const world = await startWorld({
    stateDir,
    switches,
    workers: 1,
    graceSeconds: 2,
    onStarted: log,
    ...temporal,
  });
  try {
    const { client, connection } = world.temporal;
    const address = connection.options.address;
    log(`bare loop of ${calls} signals`);
    const bare = await bareLoop(address, client, calls);
    log(`webhook to first tool, ${rounds} sessions`);
    const first = await firstToolTimes(world, rounds);
    log(`${calls} tool calls back to back`);
    const turn = await backToBack(world, calls);
    log(`webhooks for ${otherSessions} sessions of another environment`);
    const { deliveryMs, ...cost } = await deliverForOtherEnvironment(world, otherSessions);
    const floor = percentile(bare.startMs, 0.5);
    const figure = (what: string, ms: number[], beside: number): Figure => ({
      what,
      p50: percentile(ms, 0.5),
      p99: percentile(ms, 0.99),
      bare: beside,
    });
    const figures = [
      figure('bare loop: signal to activity', bare.startMs, floor),
      figure('webhook to first tool, hot sandbox', first.hotMs, floor),
      figure('webhook to first tool, paused sandbox', first.pausedMs, floor),
      figure('webhook to first tool, new sandbox', first.coldMs, floor),
      figure('one tool call after another', turn.callMs, percentile(bare.roundMs, 0.5)),
      figure('answer to a webhook of another environment', deliveryMs, floor),
    ];
    return {
      figures,
      eventsPerCall: turn.eventsPerCall,
      otherEnvironment: { sessions: otherSessions, ...cost },
    };
  } finally {
    await world.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function table(figures: Figure[]): string {
  const width = Math.max(...figures.map(({ what }) => what.length));
  const cell = (ms: number) => `${ms.toFixed(0)} ms`.padStart(9);
  const rows = figures.map(
    ({ what, p50, p99, bare }) =>
      `${what.padEnd(width)} ${cell(p50)} ${cell(p99)} ${cell(bare)} ${`× ${(p50 / bare).toFixed(1)}`.padStart(8)}`,
  );
  return [`${''.padEnd(width)}       p50       p99      bare    ratio`, ...rows].join('\n');
}

const [rounds, calls] = [Number(values.rounds), Number(values.calls)];
const otherSessions = Number(values['other-sessions']);
const crowdSize = Number(values.crowd ?? 1);
if (values.help) process.stdout.write(HELP);
else if (!(rounds >= 1 && calls >= 2 && otherSessions >= 1 && crowdSize >= 1)) {
  process.stderr.write(
    `--rounds, --other-sessions and --crowd take a number from 1, --calls takes a number from 2\n\n${HELP}`,
  );
  process.exitCode = 2;
} else if (values.crowd !== undefined) {
  const { sessions, attendedAtOnce, ended, rss, seconds } = await benchCrowd(crowdSize);
  if (values.json)
    process.stdout.write(
      `${JSON.stringify({ sessions, attendedAtOnce, ended, rss, seconds }, undefined, 2)}\n`,
    );
  else
    process.stdout.write(
      `${attendedAtOnce} of ${sessions} sessions attended at the same moment by one worker; ${ended} have taken their turn, ` +
        `${seconds} s in all\nworker: ${rss.idle} MiB before, ${rss.peak} MiB at most\n` +
        'One sandbox, shared by all of them, stands for one each: sandboxes cost the worker no memory of their own.\n',
    );
  if (ended < sessions || attendedAtOnce < sessions) process.exitCode = 1;
} else {
  const results = await bench(rounds, calls, otherSessions);
  if (values.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  else {
    const { figures, eventsPerCall, otherEnvironment } = results;
    const lines = [
      table(figures),
      '',
      `events in the workflow's history per tool call: ${eventsPerCall.toFixed(1)}`,
      `each of ${otherEnvironment.sessions} sessions of another environment: ${otherEnvironment.events} events, ` +
        `${otherEnvironment.eachMs.toFixed(1)} ms until its workflow had ended, no sandbox`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
