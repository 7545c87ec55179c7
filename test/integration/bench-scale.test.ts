// The measurements of sizes, each at its tiniest: they run to their end, and their figures fit together.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { Row, Setup } from '../../bench/scale/curve.ts';
import { CURVES } from '../../bench/scale/curves.ts';
import { cpuPercent, usageByPart } from '../../bench/scale/usage.ts';

vi.setConfig({ testTimeout: 240_000 });

const folder = mkdtempSync(join(tmpdir(), 'managed-agents-router-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const setup: Setup = {
  quick: true,
  workers: 1,
  temporal: async () => ({}),
  folder: () => mkdtempSync(join(folder, 'world-')),
  log: () => undefined,
};

async function rowsOf(name: string): Promise<Row[]> {
  const curve = CURVES[name];
  if (!curve) throw new Error(`no measurement ${name}`);
  const rows: Row[] = [];
  for await (const row of curve.measure(curve.quickSizes, setup)) rows.push(row);
  return rows;
}

describe('measured at its tiniest', () => {
  it('deliveries: ours and the bare loop, of three mixtures at each size', async () => {
    const rows = await rowsOf('deliveries');
    expect(rows.map(({ mix }) => mix)).toEqual([1, 2, 3, 1, 2, 3]);
    expect(rows.map((row) => row['at once'])).toEqual(
      CURVES.deliveries?.quickSizes.flatMap((size) => [size, size, size]),
    );
    for (const { ratio = 0, 'a second': ours = 0, 'bare a second': bare = 0 } of rows) {
      expect(ours).toBeGreaterThan(0);
      expect(ratio).toBeCloseTo(ours / bare);
    }
  });

  it('calls: every session gets answers, and every part has used the machine', async () => {
    const [row] = await rowsOf('calls');
    expect(row).toMatchObject({ sessions: 2, workers: 1 });
    expect(row?.['fewest of a session']).toBeGreaterThan(0);
    for (const column of ['CPU ms/call: worker', 'webhook', 'Temporal', 'simulators, sandboxes'])
      expect(row?.[column], column).toBeGreaterThan(0);
  });

  it('attended: one worker watches all of them, and their calls are answered', async () => {
    const rows = await rowsOf('attended');
    expect(rows.map((row) => row.sessions)).toEqual(CURVES.attended?.quickSizes);
    for (const row of rows) expect(row['p50 ms']).toBeGreaterThan(0);
  });

  it('idle: sessions of all ages and both kinds wake, and the database grows with them', async () => {
    const [few, more] = await rowsOf('idle');
    for (const column of ['wake p50 ms', 'carried over: wake p50 ms', 'KiB each carried over'])
      expect(more?.[column], column).toBeGreaterThan(0);
    expect(more?.['database MiB']).toBeGreaterThan(few?.['database MiB'] ?? Number.NaN);
  });

  it('history: counts the events of every run', async () => {
    const [row] = await rowsOf('history');
    // A call is an activity at least: scheduled, started, completed.
    expect(row?.['events/call']).toBeGreaterThan(3);
    expect(row?.['KiB in all']).toBeGreaterThan(0);
  });

  it('long-session: catches up with a session of many events', async () => {
    const [row] = await rowsOf('long-session');
    expect(row?.events).toBeGreaterThanOrEqual(100);
    expect(row?.['paused: first result p50 ms']).toBeGreaterThan(0);
  });
});

describe('what each part uses', () => {
  it('counts this process, its memory and the CPU that it burns', () => {
    const before = usageByPart();
    for (const end = process.cpuUsage().user + 200_000; process.cpuUsage().user < end; );
    const after = usageByPart();
    expect(after.bench.rss).toBeGreaterThan(20);
    expect(cpuPercent(before, after, 1).bench).toBeGreaterThanOrEqual(15);
  });
});
