// `npm run test:foreign`: programs of other makers, unmodified from their registries, against our simulators.
// Needs python3 and go, and the registries at the first run; what is missing fails with the way to install it.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/foreign/**/*.foreign.ts'],
    // Their sources are in no registry: `npm run test:routers`.
    exclude: ['test/foreign/routers/**'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    // The first run fetches packages and compiles.
    testTimeout: 120_000,
    hookTimeout: 600_000,
    teardownTimeout: 15_000,
  },
});
