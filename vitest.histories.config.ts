// `npm run histories`: the recorders, which play each story and save its history for the replay tests.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/bundles.mjs', 'test/shared-temporal.ts'],
    include: ['test/histories/**/*.record.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    teardownTimeout: 15_000,
  },
});
