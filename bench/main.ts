// `npm run bench`: how much the router adds to a bare signal → activity loop of the same Temporal server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startWorld } from '../harness/world.ts';
import { bareLoop } from './bare-loop.ts';
import { percentile } from './percentile.ts';
import { deliverToStrangers } from './strangers.ts';
import { backToBack, firstToolTimes } from './turn-times.ts';

const HELP = `Measures the router against a bare loop of "signal, activity" on the same Temporal server, in one run, with
the local simulators of Managed Agents and E2B.

Usage: npm run bench [-- options]

  --rounds N     sessions measured from the webhook to the first tool (default 10)
  --calls N      tool calls back to back in one turn (default 50)
  --strangers N  sessions of another environment that a webhook comes for (default 200)
  --json         print the figures as JSON
  --help         this text
`;

interface Figure {
  what: string;
  p50: number;
  p99: number;
  /** What the bare loop takes for the same step. */
  bare: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    calls: { type: 'string', default: '50' },
    strangers: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

interface Results {
  figures: Figure[];
  /** Events of the workflow's history per tool call. */
  eventsPerCall: number;
  /** Of a session that is not ours: events of its workflow, milliseconds of this machine until it has ended. */
  stranger: { sessions: number; events: number; eachMs: number };
}

async function bench(rounds: number, calls: number, strangers: number): Promise<Results> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const say = (line: string) => process.stderr.write(`bench: ${line}\n`);
  // The scripted model answers at once: what is left is the router's own time.
  const switches = ['model-delay-ms=0'];
  const world = await startWorld({ stateDir, switches, workers: 1, graceSeconds: 2, onStarted: say });
  try {
    const { client, connection } = world.temporal;
    const address = connection.options.address;
    say(`bare loop of ${calls} signals`);
    const bare = await bareLoop(address, client, calls);
    say(`webhook to first tool, ${rounds} sessions`);
    const first = await firstToolTimes(world, rounds);
    say(`${calls} tool calls back to back`);
    const turn = await backToBack(world, calls);
    say(`webhooks for ${strangers} sessions of another environment`);
    const { deliveryMs, ...stranger } = await deliverToStrangers(world, strangers);
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
      figure('webhook of a session that is not ours, answered', deliveryMs, floor),
    ];
    return { figures, eventsPerCall: turn.eventsPerCall, stranger: { sessions: strangers, ...stranger } };
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

const [rounds, calls, strangers] = [Number(values.rounds), Number(values.calls), Number(values.strangers)];
if (values.help) process.stdout.write(HELP);
else if (!(rounds >= 1 && calls >= 2 && strangers >= 1)) {
  process.stderr.write(`--rounds and --strangers take a number from 1, --calls one from 2\n\n${HELP}`);
  process.exitCode = 2;
} else {
  const results = await bench(rounds, calls, strangers);
  if (values.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
  else {
    const { figures, eventsPerCall, stranger } = results;
    const lines = [
      table(figures),
      '',
      `events in the workflow's history per tool call: ${eventsPerCall.toFixed(1)}`,
      `each of ${stranger.sessions} sessions that are not ours: ${stranger.events} events, ` +
        `${stranger.eachMs.toFixed(1)} ms until its workflow had ended, no sandbox`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
