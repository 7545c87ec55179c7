// `npm test`: every *.test.ts, from pure functions to stories on a real Temporal server.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One Temporal server for all files: `inject('temporalAddress')`.
    globalSetup: ['test/bundles.mjs', 'test/shared-temporal.ts', 'test/dead-processes.ts'],
    // Forked processes: Temporal's native side and the servers of one file stay apart from another's.
    pool: 'forks',
    maxWorkers: 2,
    // The cases of the crash matrix mostly wait, for time-outs that run side by side.
    maxConcurrency: 20,
    // How long a loaded machine takes is nobody's failure.
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 15_000,
    // Temporal's client may try a call again after its connection was closed; nobody waits for it any more.
    onUnhandledError: (error) => (error.message === 'Channel has been shut down' ? false : undefined),
  },
});
