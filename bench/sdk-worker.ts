// The SDK's own environment worker as a contestant: a plain process on this machine, without sandboxes and durability.
import { join } from 'node:path';
import { startChild } from '../harness/child.ts';
import { startSimulators } from '../harness/simulators.ts';
import { projectPath } from '../src/paths.ts';
import type { Contestant } from './contestant.ts';
import { simulated } from './simulated.ts';

export async function startSdkWorker(stateDir: string): Promise<Contestant> {
  const own = join(stateDir, 'sdk-worker');
  const simulators = await startSimulators({ stateDir: own, logDir: own, cwd: stateDir });
  const { url, environmentId, environmentKey } = simulators.connection.anthropic;
  const worker = await startChild('sdk-worker', [projectPath('bench/sdk-worker-program.ts')], {
    env: { ANTHROPIC_BASE_URL: url, ENVIRONMENT_ID: environmentId, ENVIRONMENT_KEY: environmentKey },
    cwd: own,
    logFile: join(own, 'worker.log'),
  }).catch(async (error: unknown) => {
    await simulators.stop();
    throw error;
  });
  const { open, ...rest } = simulated(simulators.connection, simulators.admin);
  // It serves one session at a time.
  let session: Promise<string> | undefined;
  return {
    name: 'SDK worker',
    ...rest,
    open: () => {
      session ??= open();
      return session;
    },
    close: async () => {
      await worker.stop();
      await simulators.stop();
    },
  };
}
