// A benchmark that is ended by a signal leaves nothing running of what it has started.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it, vi } from 'vitest';
import { processesBelow, type RunningProcess, sendSignal } from '../../harness/process-tree.ts';
import { until } from '../../harness/until.ts';
import { projectPath } from '../../src/paths.ts';

vi.setConfig({ testTimeout: 240_000 });

/** Program with its arguments, and a part of the command line of the process that it starts last. */
const BENCHMARKS: [script: string, program: string[], lastStarted: string][] = [
  ['bench', ['main.ts', '--quick'], 'sdk-worker-program.ts'],
  ['bench:many', ['many-sessions.ts', '--crowd', '1'], 'src/main.ts webhook'],
  ['bench:cached', ['cached-sessions.ts', '--sessions', '0,1'], 'cached-sessions-worker.ts'],
  ['bench:cost', ['cost/main.ts', '--quick'], 'src/main.ts webhook'],
  ['bench:scale', ['scale/main.ts', 'calls', '--quick'], 'src/main.ts webhook'],
  ['bench:e2b', ['e2b.ts'], 'agent.mjs'],
];

let started: RunningProcess[] = [];
afterEach(() => {
  for (const { pid } of started.filter(isRunning)) sendSignal(pid, 'SIGKILL');
  started = [];
});

it.each(BENCHMARKS)('%s', async (_script, [program = '', ...args], lastStarted) => {
  const bench = spawn(process.execPath, [projectPath(`bench/${program}`), ...args], {
    stdio: 'ignore',
    detached: true,
  });
  const ended = once(bench, 'exit');
  await until(`${program} has started ${lastStarted}`, async () => {
    started = processesBelow(bench.pid as number);
    return started.some((process) => process.args.join(' ').includes(lastStarted));
  });
  bench.kill('SIGTERM');
  await ended;
  await until('nothing of it runs', async () => !started.some(isRunning), 60_000);
  expect(started.length).toBeGreaterThan(1);
});

/** Its id may belong to another process meanwhile. */
function isRunning({ pid, args }: RunningProcess): boolean {
  return processesBelow(pid)[0]?.args.join(' ') === args.join(' ');
}
