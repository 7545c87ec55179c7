// `npm run test:routers`: routers of other makers against both simulators. Their sources come from GitHub, or from
// folders that are given (docs/foreign-programs.md); what is missing fails with the way to get it.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/foreign/routers/*.foreign.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 600_000,
    teardownTimeout: 15_000,
  },
});
