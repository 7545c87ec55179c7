// `npm run bench`: the router beside others, on one machine in one run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitOnSignal } from '../harness/exit-on-signal.ts';
import { startBareLoop } from './bare-loop.ts';
import type { Contestant } from './contestant.ts';
import { observeMachine } from './machine.ts';
import { measure, type Plan } from './measure.ts';
import { startPeer } from './peer.ts';
import { profile } from './profile/profile.ts';
import { figuresOf, tableOf } from './report.ts';
import { startRouter } from './router.ts';
import { startSdkWorker } from './sdk-worker.ts';

const HELP = `Measures the router beside a bare loop on Temporal, the SDK's environment worker in a plain process, and other routers:
all with the local simulators of Managed Agents and E2B, in turns, on this machine.

Usage: npm run bench [-- options]

  --rounds N    how often each step is measured (default 8)
  --calls N     calls of the long turn (default 200)
  --tls         also the router with TLS in front of its simulators, and calls after a long thought (needs openssl)
  --quick       two rounds, a long turn of 100 calls, no slow model
  --peer P      another router: a shell command, or a folder in which \`npm start\` is run; may be given more than once.
                It gets PORT, STATE_DIR, ANTHROPIC_… and E2B_… in its environment and serves webhooks at /webhook.
                E2B's cookbook: --peer "node bench/e2b-cookbook.ts FOLDER"
  --profile     instead: where the time of one call goes, step by step, and whose processor time it is
  --cpu-prof F  with --profile: V8 writes CPU profiles of the router's processes into this folder
  --temporal A  uses the Temporal server at this address (host:port), in a namespace created for the run; default:
                starts a dev server
  --json        prints the figures as JSON
  --help        shows this text
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    calls: { type: 'string', default: '200' },
    tls: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    peer: { type: 'string', multiple: true, default: [] },
    temporal: { type: 'string' },
    profile: { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

const SLOW_ROUNDS = 3;
const THOUGHT_ROUNDS = 3;
const QUICK_THOUGHT_ROUNDS = 1;
const QUICK = { rounds: 2, slowRounds: 0, longCalls: 100 };

exitOnSignal();

const log = (line: string) => process.stderr.write(`bench: ${line}\n`);

/** The router (with TLS as well, if asked for), the bare loop, the SDK's worker, then the peers. */
async function start(stateDir: string, contestants: Contestant[]): Promise<void> {
  const { temporal } = values;
  const router = await startRouter(stateDir, 'ours', { temporal });
  contestants.push(router);
  if (values.tls) contestants.push(await startRouter(stateDir, 'ours, TLS', { temporal, tls: true }));
  const { client, connection } = router.world.temporal;
  contestants.push(await startBareLoop(connection.options.address, client));
  contestants.push(await startSdkWorker(stateDir));
  for (const [index, command] of values.peer.entries()) {
    const name = values.peer.length > 1 ? `peer ${index + 1}` : 'peer';
    contestants.push(await startPeer(stateDir, name, command));
  }
}

async function bench(plan: Plan): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  const contestants: Contestant[] = [];
  try {
    const machine = observeMachine();
    await start(stateDir, contestants);
    const names = contestants.map(({ name }) => name);
    log(`measuring ${names.join(', ')}`);
    const figures = figuresOf(await measure(contestants, plan, log), names);
    const load = machine();
    process.stdout.write(
      values.json
        ? `${JSON.stringify({ machine: load, contestants: names, peers: values.peer, figures }, undefined, 2)}\n`
        : `${tableOf(figures, names, load)}\n`,
    );
  } finally {
    for (const one of contestants.reverse()) await one.close().catch((error: unknown) => log(String(error)));
    rmSync(stateDir, { recursive: true, force: true });
  }
}

async function runProfile(): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  try {
    const { temporal, 'cpu-prof': profiles } = values;
    process.stdout.write(`${await profile(stateDir, { rounds: plan.rounds, temporal, profiles }, log)}\n`);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

const plan: Plan = {
  thoughtRounds: values.tls ? (values.quick ? QUICK_THOUGHT_ROUNDS : THOUGHT_ROUNDS) : 0,
  ...(values.quick
    ? QUICK
    : { rounds: Number(values.rounds), slowRounds: SLOW_ROUNDS, longCalls: Number(values.calls) }),
};
if (values.help) process.stdout.write(HELP);
else if (!(plan.rounds >= 1 && plan.longCalls >= 1)) {
  process.stderr.write(`--rounds and --calls take a number from 1\n\n${HELP}`);
  process.exitCode = 2;
} else if (values.profile) await runProfile();
else await bench(plan);
