// A worker compares its settings with those of the other workers: one log line when they begin to differ, one when they
// agree again.
import type { Connection } from '@temporalio/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { compareSettings } from '../../src/compare-settings.ts';
import type { Config } from '../../src/config.ts';
import { recordedLog } from './recorded-log.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const MINUTE = 60_000;
const config = { deployment: 'router', temporal: { namespace: 'default' } } as Config;

it('logs once that settings differ, and once that they no longer do', async () => {
  const { log, lines } = recordedLog();
  let others: string[] | Error = ['1@a/v0.1.0/aaaaaa.bbbbbb.cccccc'];
  const describeTaskQueue = async () => {
    if (others instanceof Error) throw others;
    const lastAccessTime = { seconds: Date.now() / 1000 };
    return { pollers: others.map((identity) => ({ identity, lastAccessTime })) };
  };
  const stop = compareSettings(
    { workflowService: { describeTaskQueue } } as never as Connection,
    config,
    log,
  );
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  expect(lines()).toEqual([]);

  others = ['1@a/v0.1.0/aaaaaa.bbbbbb.cccccc', '2@b/v0.1.0/aaaaaa.bbbbbb.dddddd'];
  await vi.advanceTimersByTimeAsync(5 * MINUTE);
  expect(lines()).toHaveLength(1);
  expect(lines()[0]).toMatchObject({ level: 40, differ: ['limits on sandboxes'], workers: others });

  // Temporal does not answer: no news about settings.
  others = new Error('unavailable');
  await vi.advanceTimersByTimeAsync(5 * MINUTE);
  expect(lines()).toHaveLength(1);

  others = ['2@b/v0.1.0/aaaaaa.bbbbbb.dddddd'];
  await vi.advanceTimersByTimeAsync(5 * MINUTE);
  expect(lines().map(({ msg }) => msg)).toEqual([
    expect.any(String),
    expect.stringContaining('same settings again'),
  ]);

  stop();
  others = ['1@a/v0.1.0/aaaaaa.bbbbbb.cccccc', '2@b/v0.1.0/aaaaaa.bbbbbb.dddddd'];
  await vi.advanceTimersByTimeAsync(5 * MINUTE);
  expect(lines()).toHaveLength(2);
});
