import { defineConfig } from 'vitest/config';

// Forked processes: the Temporal native bridge and servers owned by a test file stay apart.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
