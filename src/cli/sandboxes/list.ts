// `sandboxes list`: the sandboxes that carry our metadata, as E2B knows them. Needs only the E2B key.
import { type Command, Option } from 'commander';
import { E2B, type SandboxInfo } from 'e2b';
import { MANAGED_BY } from '../../clients/sandbox-metadata.ts';
import { type CommandSettings, loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import type { Column, Output } from '../output.ts';
import { serviceError } from '../service-error.ts';
import { attributeValue } from '../sessions/query.ts';
import { duration } from '../times.ts';
import { addPriceOptions, type PriceOptions, type Prices, pricesOf } from '../usage/prices.ts';
import { useOfSandbox } from '../usage/sandboxes.ts';
import { SourceFailed } from '../usage/source.ts';

interface ListOptions extends PriceOptions {
  environment?: string;
  state?: SandboxInfo['state'];
}

/** One sandbox as printed with `--json`; null where nothing is known. */
export interface SandboxRow {
  sandboxId: string;
  state: string;
  /** Null: several sessions share it. */
  sessionId: string | null;
  /** Names what the sharing sessions have in common. */
  sharedKey: string | null;
  environmentId: string | null;
  /** RFC 3339. */
  createdAt: string | null;
  /** Within the seven days for which E2B keeps events. */
  runningSeconds: number | null;
  /** False: it ran for at least so long. */
  runningSecondsComplete: boolean;
  /** In the currency of the prices that were given. */
  cost: number | null;
}

/** Columns of the terminal from which on the environment fits, too. */
const WIDE = 120;
/** Requests for events that run at once. */
const AT_ONCE = 8;

export function addListCommand(sandboxes: Command, context: CommandContext): void {
  const list = sandboxes
    .command('list')
    .description(
      'list the sandboxes of the router: whose they are, whether they run, and for how long they ran',
    )
    .option('--environment <id>', 'only sandboxes of this environment', attributeValue)
    .addOption(new Option('--state <state>', 'only sandboxes in this state').choices(['running', 'paused']));
  addPriceOptions(list).action(async (options: ListOptions) => {
    const { e2b } = loadCommandSettings(context.environment());
    const output = context.output();
    const found = await listOurs(e2b, options);
    const rows = await withUse(e2b, found, pricesOf(options), (line) => output.progress(line));
    output.result({ sandboxes: rows }, () => asTable(output, rows));
  });
}

async function listOurs(
  e2b: CommandSettings['e2b'],
  { environment, state }: ListOptions,
): Promise<SandboxInfo[]> {
  if (!e2b.apiKey) throw new CommandError('E2B_API_KEY is not set: only E2B knows the sandboxes', EXIT.usage);
  const found: SandboxInfo[] = [];
  const metadata = { managed_by: MANAGED_BY, ...(environment ? { environment } : {}) };
  const pages = new E2B(e2b).Sandbox.list({
    query: { metadata, state: state ? [state] : ['running', 'paused'] },
  });
  try {
    while (pages.hasNext) found.push(...(await pages.nextItems()));
  } catch (error) {
    throw serviceError(error);
  }
  return found;
}

/** Where E2B's events cannot be read, the rows are there without them. */
async function withUse(
  e2b: CommandSettings['e2b'],
  found: readonly SandboxInfo[],
  prices: Prices | undefined,
  warn: (line: string) => void,
): Promise<SandboxRow[]> {
  const rows = found.map((info) => rowOf(info));
  const next = rows.entries();
  let failed: SourceFailed | undefined;
  const worker = async () => {
    for (const [index, row] of next) {
      const info = found[index];
      if (!info || failed) return;
      try {
        const { seconds, complete, cost } = await useOfSandbox(e2b, info, prices);
        Object.assign(row, { runningSeconds: seconds, runningSecondsComplete: complete, cost });
      } catch (error) {
        if (!(error instanceof SourceFailed)) throw error;
        failed ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failed) warn(`How long sandboxes ran is not known: ${failed.message}`);
  return rows.sort((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? ''));
}

function rowOf({ sandboxId, state, metadata }: SandboxInfo): SandboxRow {
  const createdAt = Date.parse(metadata.created_at ?? '');
  return {
    sandboxId,
    state,
    sessionId: metadata.session ?? null,
    sharedKey: metadata.shared ?? null,
    environmentId: metadata.environment ?? null,
    createdAt: Number.isNaN(createdAt) ? null : new Date(createdAt).toISOString(),
    runningSeconds: null,
    runningSecondsComplete: false,
    cost: null,
  };
}

function asTable(output: Output, rows: readonly SandboxRow[]): string {
  if (rows.length === 0) return 'There are no sandboxes of the router.';
  const columns: Column<SandboxRow>[] = [
    { title: 'SANDBOX', whole: true, of: ({ sandboxId }) => sandboxId },
    {
      title: 'STATE',
      of: ({ state }) => state,
      color: ({ state }) => (state === 'running' ? 'green' : 'dim'),
    },
    { title: 'AGE', of: ({ createdAt }) => (createdAt ? duration(Date.now() - Date.parse(createdAt)) : '') },
    { title: 'RAN', of: ranText },
    ...(rows.some(({ cost }) => cost !== null)
      ? [{ title: 'COST', of: ({ cost }: SandboxRow) => cost?.toFixed(4) ?? '' }]
      : []),
    {
      title: 'SESSION',
      whole: true,
      of: ({ sessionId, sharedKey }) => sessionId ?? (sharedKey ? `shared: ${sharedKey}` : ''),
    },
  ];
  if (output.width >= WIDE)
    columns.push({ title: 'ENVIRONMENT', of: ({ environmentId }) => environmentId ?? '' });
  return output.table(rows, columns);
}

function ranText({ runningSeconds, runningSecondsComplete }: SandboxRow): string {
  if (runningSeconds === null) return '';
  const ran = duration(runningSeconds * 1000);
  return runningSecondsComplete ? ran : `at least ${ran}`;
}
