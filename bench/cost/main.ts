// `npm run bench:cost`: counts what the router costs: Temporal actions, requests to Anthropic and E2B, seconds of sandboxes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitOnSignal } from '../../harness/exit-on-signal.ts';
import { freePort } from '../../harness/free-port.ts';
import { startTemporal } from '../../harness/temporal-server.ts';
import { startWorld } from '../../harness/world.ts';
import { startCountingProxy } from './counting-proxy.ts';
import { Meter } from './meter.ts';
import { measureParts, type PartOptions, type Parts } from './parts.ts';
import { report } from './report.ts';

const HELP = `Counts what the router costs with the local simulators and a Temporal dev server: Temporal actions as the server
itself counts them (its metric "action"), requests to Anthropic and E2B, and seconds of running sandboxes; per turn, per
call, and per hour of a session at work, waiting, and asleep. About 20 minutes.

Usage: npm run bench:cost [-- options]

  --seconds N    how long each state is watched (default 120); the idle router shows its reconcile from 300 on
  --sessions N   sessions whose turns are counted (default 5)
  --calls N      calls of the long turn (default 20)
  --quick        30 s, 2 sessions, 10 calls
  --json         print the figures as JSON
  --help         show this text
`;
const GRACE_SECONDS = 2;

async function measure(options: PartOptions): Promise<Parts> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-cost-'));
  const log = (line: string) => process.stderr.write(`cost: ${line}\n`);
  const metricsPort = await freePort();
  const logFile = join(stateDir, 'temporal.log');
  const ending: (() => unknown)[] = [() => rmSync(stateDir, { recursive: true, force: true })];
  try {
    const dbFile = join(stateDir, 'temporal.db');
    const temporal = await startTemporal({ logFile, dbFile, metricsPort });
    ending.push(() => temporal.close());
    const through = async (url: string) => {
      const proxy = await startCountingProxy(url);
      ending.push(() => proxy.close());
      return proxy;
    };
    const doors: Partial<Record<'anthropic' | 'e2b', Awaited<ReturnType<typeof through>>>> = {};
    const world = await startWorld({
      stateDir,
      temporal,
      workers: 1,
      graceSeconds: GRACE_SECONDS,
      // A model without a delay calls before its session is watched, which costs a signal.
      switches: ['model-delay-ms=300'],
      settings: async ({ anthropic, e2b }) => {
        doors.anthropic = await through(anthropic.url);
        doors.e2b = await through(e2b.url);
        return { ANTHROPIC_BASE_URL: doors.anthropic.url, E2B_API_URL: doors.e2b.url };
      },
      onStarted: log,
    });
    ending.push(() => world.close());
    const { anthropic, e2b } = doors;
    if (!anthropic || !e2b) throw new Error('the router was started without its proxies');
    const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    const e2bAccess = world.simulators.e2b;
    const meter = new Meter({ metricsUrl, namespace: world.namespace, anthropic, e2b, e2bAccess });
    return await measureParts(world, meter, options, log);
  } finally {
    for (const end of ending.reverse()) await end();
  }
}

exitOnSignal();

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    sessions: { type: 'string' },
    calls: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
const usual = values.quick
  ? { seconds: 30, sessions: 2, calls: 10 }
  : { seconds: 120, sessions: 5, calls: 20 };
const options: PartOptions = {
  seconds: Number(values.seconds ?? usual.seconds),
  sessions: Number(values.sessions ?? usual.sessions),
  calls: Number(values.calls ?? usual.calls),
};
if (values.help) process.stdout.write(HELP);
else if (!Object.values(options).every((count) => Number.isInteger(count) && count >= 1)) {
  process.stderr.write(`--seconds, --sessions and --calls take a whole number from 1\n\n${HELP}`);
  process.exitCode = 2;
} else {
  const parts = await measure(options);
  const text = values.json
    ? JSON.stringify(parts, undefined, 2)
    : report(parts, { graceSeconds: GRACE_SECONDS });
  process.stdout.write(`${text}\n`);
}
