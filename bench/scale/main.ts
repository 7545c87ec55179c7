// `npm run bench:scale`: measures how the router behaves as there is more of something, as a table with a row for each size.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCluster } from '../../harness/cluster/cluster.ts';
import { exitOnSignal } from '../../harness/exit-on-signal.ts';
import { createNamespace } from '../../harness/temporal-namespace.ts';
import type { Row, Setup } from './curve.ts';
import { CURVES } from './curves.ts';
import { describeMachine } from './machine.ts';
import { printHead, printRow } from './table.ts';

const listed = Object.entries(CURVES)
  .map(([name, { summary, of, sizes }]) => `  ${name.padEnd(14)}${summary}\n${''.padEnd(16)}${of}: ${sizes}`)
  .join('\n');
const HELP = `Measures the router with the local simulators at several sizes.

Usage: npm run bench:scale -- MEASUREMENT [options]

${listed}

  --sizes LIST     other sizes, ascending, with commas
  --workers LIST   numbers of workers, each measured at every size (default 1)
  --temporal A     use the Temporal server at this address (host:port); default: starts a dev server
  --cluster        start a Temporal cluster on PostgreSQL for the run (docs/cluster.md)
  --quick          tiny sizes: shows that the measurement works
  --json           print the figures as JSON
  --help           show this text
`;

const options = {
  sizes: { type: 'string' },
  workers: { type: 'string', default: '1' },
  temporal: { type: 'string' },
  cluster: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
} as const;

function read() {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const curve = Object.hasOwn(CURVES, positionals[0] ?? '') ? CURVES[positionals[0] ?? ''] : undefined;
  const sizes = numbersOf(values.sizes) ?? (values.quick ? curve?.quickSizes : curve?.sizes);
  const workers = numbersOf(values.workers) ?? [];
  const wrong = [
    !curve && `MEASUREMENT is one of ${Object.keys(CURVES).join(', ')}`,
    !isAscending(sizes ?? [1]) && '--sizes takes ascending numbers from 1',
    !isAscending(workers) && '--workers takes ascending numbers from 1',
    values.cluster && values.temporal && '--cluster and --temporal exclude each other',
  ].filter(Boolean);
  return { values, curve, sizes, workers, wrong };
}

function numbersOf(list: string | undefined): number[] | undefined {
  return list?.split(',').map(Number);
}

function isAscending(numbers: readonly number[]): boolean {
  return (
    numbers.length > 0 &&
    numbers.every((size, index) => Number.isInteger(size) && size > (numbers[index - 1] ?? 0))
  );
}

const log = (line: string) => process.stderr.write(`bench: ${line}\n`);

async function main(): Promise<void> {
  const { values, curve, sizes = [], workers, wrong } = read();
  if (values.help) return void process.stdout.write(HELP);
  if (!curve || wrong.length > 0) {
    process.stderr.write(`${wrong.join('\n')}\n\n${HELP}`);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  exitOnSignal();
  const cluster = values.cluster ? await startCluster(folder, log) : undefined;
  const address = cluster?.address ?? values.temporal;
  let namespaces = 0;
  const setup: Omit<Setup, 'workers'> = {
    quick: values.quick,
    folder: () => mkdtempSync(join(folder, 'world-')),
    log,
    temporal: async () => {
      if (!address) return {};
      namespaces += 1;
      const namespace = `bench-${Date.now()}-${namespaces}`;
      await createNamespace(address, namespace);
      return { temporal: { address, namespace } };
    },
  };
  const machine = describeMachine();
  const rows: Row[] = [];
  if (!values.json) printHead(machine);
  try {
    for (const count of workers)
      for await (const row of curve.measure(sizes, { ...setup, workers: count })) {
        rows.push(row);
        if (!values.json) printRow(row, rows.length === 1);
      }
    if (values.json) process.stdout.write(`${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
  } finally {
    await cluster?.close();
  }
}

await main();
