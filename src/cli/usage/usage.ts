// `usage`: calls, turns, sandbox seconds, outputs and tokens, by session, agent or environment.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { parseAge } from '../times.ts';
import { collectUsage } from './collect.ts';
import { addPriceOptions, type PriceOptions, pricesOf } from './prices.ts';
import { asCsv, asTable, sourceLines } from './print.ts';
import { Progress } from './progress.ts';
import { GROUPS, type Group } from './rows.ts';

interface UsageOptions extends PriceOptions {
  /** Epoch ms. */
  since?: number;
  until?: number;
  by: Group;
  csv?: boolean;
  tokens: boolean;
}

const WEEK_MS = 7 * 24 * 3_600_000;

export function addUsageCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('usage')
    .description('show what sessions have used, and how far back that is known; needs no running worker')
    .option(
      '--since <time>',
      'from this time on: an age like 24h, or a date like 2026-11-01 (default: 7d)',
      parseTime,
    )
    .option('--until <time>', 'up to this time (default: now)', parseTime)
    .addOption(new Option('--by <group>', 'one line for each').choices([...GROUPS]).default('session'))
    .option('--csv', 'print CSV')
    .option('--no-tokens', 'do not ask Anthropic for tokens: one request for each session, 10 a second');
  addPriceOptions(command).action((options: UsageOptions) => usage(context, options));
}

async function usage(context: CommandContext, options: UsageOptions): Promise<void> {
  const output = context.output();
  const { since = Date.now() - WEEK_MS, by, csv, tokens } = options;
  const until = Math.min(options.until ?? Date.now(), Date.now());
  if (since >= until)
    throw new CommandError('--since must be before --until, and not in the future', EXIT.usage);
  if ((options.vcpuPrice === undefined) !== (options.gibPrice === undefined))
    throw new CommandError('--vcpu-price and --gib-price belong together', EXIT.usage);
  const prices = pricesOf(options);
  const progress = new Progress();
  const { rows, sources, answered } = await collectUsage(
    context,
    { window: { since, until }, by, tokens, ...(prices ? { prices } : {}) },
    progress,
  ).finally(() => progress.end());
  const lines = sourceLines(sources);
  if (!answered) throw new CommandError(lines.join('\n'), EXIT.unreachable);
  const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
  if (csv && !output.json) {
    output.result(null, () => asCsv(rows, by));
    for (const line of lines) output.progress(line);
    return;
  }
  output.result({ ...times, by, rows, sources }, () =>
    [
      `${times.since} to ${times.until}; ? is unknown, ≥ is at least`,
      '',
      asTable(output, rows, by),
      '',
      ...lines,
    ].join('\n'),
  );
}

/** For commander: an age, or a date or time in the form of ISO 8601. @returns epoch ms */
function parseTime(text: string): number {
  if (/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text)) {
    const time = Date.parse(text);
    if (!Number.isNaN(time)) return time;
  }
  if (/^\d+[smhd]$/.test(text)) return Date.now() - parseAge(text);
  throw new InvalidArgumentError('Write an age like 24h or 7d, or a date like 2026-11-01.');
}
