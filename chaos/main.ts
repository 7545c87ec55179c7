// `npm run chaos`: runs many sessions under kills and faults, then verifies the records of both sides.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveFailures } from './failure.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { countersOf, killCounts, type Report, recoveryOf, textOf } from './report.ts';
import { runChaos } from './run.ts';
import { verifyRun } from './verify-run.ts';
import { openView } from './view.ts';
import { type ChaosWorld, startChaosWorld } from './world.ts';

/** Shorter than the default, so that even a short run has several reconciles. */
const RECONCILE_SECONDS = 20;

async function chaos(options: Options): Promise<number> {
  const began = Date.now();
  const out = options.json ? process.stderr : process.stdout;
  const view = openView(out);
  const stateDir = mkdtempSync(join(tmpdir(), 'managed-agents-router-chaos-'));
  const interrupted = untilInterrupted();
  let chaosWorld: ChaosWorld | null = null;
  let keep = options.keep;
  try {
    view.print(
      `seed ${options.seed}: ${options.sessions} sessions, ${options.calls} calls each, ${options.minutes} minutes`,
    );
    chaosWorld = await startChaosWorld(stateDir, RECONCILE_SECONDS, options, view.print);
    const result = await Promise.race([runChaos(chaosWorld, options, RECONCILE_SECONDS, view), interrupted]);
    if (!result) return 130;
    view.print('reading the records, replaying the histories');
    const verification = await verifyRun(chaosWorld.world, stateDir, result);
    view.close();
    const { findings, tally, runs, losses } = verification;
    const plans = result.sessions.map(({ plan }) => plan);
    const report: Report = {
      seed: options.seed,
      tookMs: Date.now() - began,
      sessions: plans.length,
      turns: plans.flatMap(({ turns }) => turns).length,
      calls: {
        planned: plans
          .filter(({ hostile }) => !hostile)
          .flatMap(({ turns }) => turns.flatMap(({ steps }) => steps.flat())).length,
        ...tally,
      },
      histories: runs.length,
      kills: killCounts(result.kills),
      faults: result.faults,
      counters: countersOf(findings),
      findings,
      recovery: recoveryOf(losses),
    };
    if (options.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    out.write(`\n${textOf(report)}\n`);
    if (findings.length === 0) return 0;
    keep = true;
    const files = saveFailures(join(stateDir, 'failures'), verification, result);
    out.write(`\nrepeat it with --seed ${options.seed}; histories and records of both sides:\n`);
    for (const file of files) out.write(`  ${file}\n`);
    return 1;
  } catch (error) {
    keep = true;
    throw error;
  } finally {
    view.close();
    await chaosWorld?.close();
    if (keep) out.write(`state and logs are kept in ${stateDir}\n`);
    else rmSync(stateDir, { recursive: true, force: true });
  }
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

async function main(): Promise<number> {
  let options: Options | 'help';
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (options !== 'help') return chaos(options);
  process.stdout.write(HELP);
  return 0;
}

const code = await main().catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  return 1;
});
// An interrupted run may still wait for something, which must not keep the process alive.
process.exit(code);
