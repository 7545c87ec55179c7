// `sandboxes clean`: kills orphans of ours, after showing them.
import type { Command } from 'commander';
import type { SandboxInfo } from 'e2b';
import type { OrphanVerdict } from '../../../activities/index.ts';
import { createAnthropic } from '../../clients/anthropic.ts';
import { createE2B } from '../../clients/e2b.ts';
import { type Config, loadConfig } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { type Output, oneLine } from '../output.ts';
import { serviceError } from '../service-error.ts';
import { Dialog } from '../setup/dialog.ts';
import { whileNotInterrupted } from '../setup/interrupt.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { duration } from '../times.ts';

interface CleanOptions {
  yes?: boolean;
  plan?: boolean;
}

interface Judged extends OrphanVerdict {
  info: SandboxInfo;
  environmentId: string;
  /** The verdict of now. */
  again(): Promise<OrphanVerdict>;
  kill(): Promise<boolean>;
}

export function addCleanCommand(sandboxes: Command, context: CommandContext): void {
  sandboxes
    .command('clean')
    .description('kill sandboxes that the router made and that no session needs any more; shows them first')
    .option('--plan', 'show what would be killed and what is kept, and kill nothing')
    .option('-y, --yes', 'kill without asking')
    .addHelpText(
      'after',
      '\nOnly sandboxes of the configured environments that carry a proof of their environment key. Needs the keys of a worker.',
    )
    .action((options: CleanOptions) => {
      const config = loadConfig(context.environment(), 'worker');
      return whileNotInterrupted((signal) =>
        withTemporal(context, (temporal) => clean(context.output(), config, temporal, options, signal)),
      );
    });
}

async function clean(
  output: Output,
  config: Config,
  temporal: TemporalAccess,
  options: CleanOptions,
  signal: AbortSignal,
): Promise<void> {
  const judged = await judgeAll(config, temporal);
  const orphans = judged.filter(({ orphan }) => orphan);
  if (!output.json) show(output, judged, options.plan === true);
  const killed: string[] = [];
  if (orphans.length > 0 && !options.plan) {
    await confirm(output, options, orphans.length);
    for (const one of orphans) {
      signal.throwIfAborted();
      if (await killIfStillOrphan(output, one)) killed.push(one.info.sandboxId);
    }
  }
  if (output.json) output.result({ sandboxes: judged.map((one) => asJson(one, killed)) }, () => '');
  else if (!options.plan && orphans.length > 0)
    output.result(null, () => `Killed ${killed.length} of ${orphans.length}.`);
}

async function judgeAll(config: Config, { client, names }: TemporalAccess): Promise<Judged[]> {
  // Loaded only here: it brings the worker's code along.
  const { judgeOrphan, sandboxesOf } = await import('../../../activities/index.ts');
  const judged: Judged[] = [];
  for (const environment of config.environments) {
    const { environmentId } = environment.anthropic;
    const e2b = createE2B(environment);
    const anthropic = createAnthropic(environment);
    const deps = { anthropic, config: environment, e2b, names, temporal: client };
    try {
      for await (const info of sandboxesOf(deps)) {
        const again = () => judgeOrphan(deps, info);
        const kill = () => e2b.Sandbox.kill(info.sandboxId);
        judged.push({ info, environmentId, again, kill, ...(await again()) });
      }
    } catch (error) {
      throw serviceError(error);
    }
  }
  return judged;
}

function show(output: Output, judged: readonly Judged[], withKept: boolean): void {
  const orphans = judged.filter(({ orphan }) => orphan);
  const kept = judged.length - orphans.length;
  const shown = withKept ? judged : orphans;
  const summary =
    orphans.length === 0
      ? `There is nothing to clean: ${kept} kept.`
      : `${orphans.length === 1 ? 'One orphan' : `${orphans.length} orphans`}, ${kept} kept.`;
  // Two lines for each, for a reason that is cut is none.
  const lines = shown.flatMap(({ info, orphan, why }) => [
    `${output.style(orphan ? 'red' : 'dim', orphan ? 'kill' : 'keep')}  ${oneLine(info.sandboxId)}  ${info.state}  ${ageOf(info)}`,
    `      ${oneLine(why)}`,
  ]);
  output.result(null, () => (lines.length > 0 ? [...lines, '', summary].join('\n') : summary));
}

async function confirm(output: Output, { yes }: CleanOptions, count: number): Promise<void> {
  if (yes) return;
  const dialog = new Dialog(output, false);
  if (!dialog.canAsk)
    throw new CommandError(
      `Nothing was killed. There is no terminal to confirm at: add --yes to kill ${counted(count, 'orphan')}, or --plan to list them`,
      EXIT.usage,
    );
  if (!(await dialog.confirm(`Kill ${count === 1 ? 'it' : `all ${count}`}? The files are lost`, false)))
    throw new CommandError('Nothing was killed', EXIT.interrupted);
}

/** A session may have begun to use it while a person read the list. */
async function killIfStillOrphan(output: Output, { info, again, kill }: Judged): Promise<boolean> {
  try {
    const { orphan, why } = await again();
    if (!orphan) output.progress(`Kept ${info.sandboxId}: ${why}`);
    return orphan && (await kill());
  } catch (error) {
    throw serviceError(error);
  }
}

function asJson({ info, environmentId, orphan, why }: Judged, killed: readonly string[]) {
  const { sandboxId, state, metadata } = info;
  const { session = null, shared = null, created_at = null } = metadata;
  return {
    sandboxId,
    environmentId,
    sessionId: session,
    sharedKey: shared,
    state,
    createdAt: created_at,
    orphan,
    why,
    killed: killed.includes(sandboxId),
  };
}

function ageOf({ metadata }: SandboxInfo): string {
  const createdAt = Date.parse(metadata.created_at ?? '');
  return Number.isNaN(createdAt) ? '' : `${duration(Date.now() - createdAt)} old`;
}
