// `sessions history export`: every run of a session, in a form that replays.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { replayHistory } from '../../src/replay.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 180_000 });

let world: World;
let env: Record<string, string>;
let dir: string;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 1, switches: ['model-delay-ms=0'] });
  env = { TEMPORAL_ADDRESS: world.temporal.connection.options.address as string };
  dir = mkdtempSync(join(tmpdir(), 'histories-'));
});
afterAll(async () => {
  await world?.close();
  rmSync(dir, { recursive: true, force: true });
});

const exportHistory = (id: string, ...args: string[]) =>
  runCommand(['sessions', 'history', 'export', id, ...args], env);

it('writes one file for each run, oldest first, and each replays', async () => {
  const id = await openSession(world);
  const { runId: first } = await untilContinuedAsNew(id);
  // No worker is needed.
  for (const worker of world.workers) await worker.kill();

  const { code, stdout } = await exportHistory(id, '--output', join(dir, 'files'));
  expect(code).toBe(0);
  const files = readdirSync(join(dir, 'files')).sort();
  expect(files.slice(0, 2)).toEqual([`${id}-001.json`, `${id}-002.json`]);
  expect(stdout.trim().split('\n')).toEqual([
    `${files.length} runs of session ${id}:`,
    ...files.map((file) => `  ${join(dir, 'files', file)}`),
  ]);
  for (const file of files) await replayHistory(JSON.parse(readFileSync(join(dir, 'files', file), 'utf8')));

  const summary = JSON.parse((await exportHistory(id, '--json', '--output', join(dir, 'again'))).stdout);
  expect(summary).toMatchObject({
    sessionId: id,
    earlierRunsDeleted: false,
    runs: [{ runId: first, file: join(dir, 'again', `${id}-001.json`), events: expect.any(Number) }, {}],
  });
  const all = JSON.parse((await exportHistory(id, '--output', '-')).stdout);
  expect(all.runs.map(({ runId }: { runId: string }) => runId)).toEqual(
    summary.runs.map(({ runId }: { runId: string }) => runId),
  );
  expect(all.runs[0].history).toEqual(JSON.parse(readFileSync(join(dir, 'files', files[0] ?? ''), 'utf8')));
});

it('refuses an unknown id and a folder that cannot be written', async () => {
  const unknown = await exportHistory('sesn_unknown', '--output', dir);
  expect(unknown).toMatchObject({ code: 3, stdout: '' });
  expect(unknown.stderr).toBe(
    'Temporal has no session sesn_unknown. `managed-agents-router sessions list --all` lists the sessions that it keeps\n',
  );
  expect(await exportHistory('../../etc')).toMatchObject({ code: 2 });
});

/** Takes turns until the workflow has continued as new. @returns its first run */
async function untilContinuedAsNew(id: string) {
  await takeTurn(world.anthropic, id, commands('echo begin'));
  const { runId } = await workflowOf(world, id).describe();
  await until(
    'the workflow has continued as new',
    async () => {
      await takeTurn(world.anthropic, id, commands(...Array.from({ length: 15 }, (_, n) => `echo ${n}`)));
      return (await workflowOf(world, id).describe()).runId !== runId;
    },
    150_000,
  );
  await until(
    'the session rests',
    async () => ((await workflowOf(world, id).query('status')) as { phase: string }).phase === 'paused',
  );
  return { runId };
}
