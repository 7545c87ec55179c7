// An E2B simulator with one sandbox, for the tests of one file: its hooks start and end with those.
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

export let e2b: E2BSimulator;
export let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await startE2BSimulator();
  sandbox = await e2b.Sandbox.create('base', { timeoutMs: 3_600_000 });
});
afterAll(() => e2b?.end());

export const run = async (command: string) =>
  (await sandbox.commands.run(command, { user: 'root' })).stdout.trim();
