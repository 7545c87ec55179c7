// `npm run demo`: runs the whole router locally without keys, kills workers, and shows that nothing is lost.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startWorld, type World } from '../harness/world.ts';
import { type Check, SCENARIOS } from './scenarios.ts';

const HELP = `Runs the whole router on this machine without any key: a Temporal server, simulators of Managed Agents and E2B, the
webhook server and two workers, each a process of its own. Then checks its guarantees one after another.

Usage: npm run demo [-- options]

  --keep                leave everything running at the end for a look around; Ctrl-C ends it
  --json                print the table of results as JSON on standard output, everything else on standard error
  --temporal HOST:PORT  use this Temporal server, which must have no other sessions, instead of starting one
  --ui URL              URL of that server's UI
  --help                show this text

Exit code 0: all checks passed.
`;

/** Of its own, so that a router on the same Temporal server keeps its tasks. */
const DEPLOYMENT = 'managed-agents-router-demo';

const GRACE_SECONDS = 3;

interface Options {
  keep: boolean;
  json: boolean;
  temporal?: { address: string; uiUrl?: string };
}

async function demo(options: Options): Promise<number> {
  const began = Date.now();
  const out = options.json ? process.stderr : process.stdout;
  const print = (line: string) => {
    out.write(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  const interrupted = untilInterrupted();
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-demo-'));
  let world: World | null = null;
  try {
    const starting = startWorld({
      stateDir,
      workers: 2,
      graceSeconds: GRACE_SECONDS,
      ui: true,
      deployment: DEPLOYMENT,
      ...(options.temporal ? { temporal: options.temporal } : {}),
      onStarted: print,
    });
    world = await Promise.race([starting, interrupted]);
    if (!world) {
      world = await starting.catch(() => null);
      return 130;
    }
    print(`Temporal UI ${world.uiUrl}`);
    const checks = await Promise.race([runScenarios(world, print), interrupted]);
    if (!checks) return 130;
    if (options.json) process.stdout.write(`${JSON.stringify(checks, undefined, 2)}\n`);
    else out.write(`\n${table(checks)}\n`);
    if (options.keep) {
      print(`everything is left running; logs in ${world.logDir}; Ctrl-C ends it`);
      out.write(`\n  Temporal UI  ${world.uiUrl}\n  simulators    ${JSON.stringify(world.simulators)}\n\n`);
      await interrupted;
    }
    return checks.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    if (world && options.temporal) await endWorkflows(world).catch(() => undefined);
    await world?.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** On a Temporal server that outlives the demo its workflows would wait for workers for ever. */
async function endWorkflows({ temporal, names }: World): Promise<void> {
  const query = `ExecutionStatus = 'Running' AND TaskQueue = '${names.taskQueue}'`;
  for await (const { workflowId } of temporal.client.workflow.list({ query }))
    await temporal.client.workflow.getHandle(workflowId).terminate('the demo is over');
}

async function runScenarios(world: World, print: (line: string) => void): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { title, run } of SCENARIOS) {
    print(`── ${title}`);
    try {
      checks.push(...(await run(world, print)));
    } catch (error) {
      const how = error instanceof Error ? error.message : String(error);
      checks.push({ shown: title, how, ok: false });
      print(`failed: ${how}`);
    }
  }
  return checks;
}

function table(checks: Check[]): string {
  const width = Math.max(...checks.map(({ shown }) => shown.length));
  const rows = checks.map(
    ({ shown, how, ok }) => `${ok ? 'ok    ' : 'NOT OK'}  ${shown.padEnd(width)}  ${how}`,
  );
  return rows.join('\n');
}

/** Resolves with null at the first SIGINT or SIGTERM; the second ends the process at once. */
function untilInterrupted(): Promise<null> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        process.stderr.write('ending everything …\n');
        resolve(null);
      });
    }
  });
}

function readOptions(): Options | 'help' | string {
  try {
    const { values } = parseArgs({
      options: {
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        temporal: { type: 'string' },
        ui: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const { help, keep, json, temporal: address, ui: uiUrl } = values;
    if (help) return 'help';
    if (uiUrl && !address) return '--ui goes with --temporal';
    return { keep, json, ...(address ? { temporal: { address, ...(uiUrl ? { uiUrl } : {}) } } : {}) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const options = readOptions();
if (options === 'help') process.stdout.write(HELP);
else if (typeof options === 'string') {
  process.stderr.write(`${options}\n\n${HELP}`);
  process.exitCode = 2;
} else {
  process.exitCode = await demo(options).catch((error) => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  });
}
