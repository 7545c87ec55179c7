// `npm run test:real`: the conformance tests against the real services whose keys are set; docs/conformance.md.
import { defineConfig } from 'vitest/config';

const SUITES = { E2B_API_KEY: 'e2b', ANTHROPIC_API_KEY: 'managed-agents' };
const chosen = Object.entries(SUITES).filter(([key]) => process.env[key]);
if (chosen.length === 0)
  throw new Error(`test:real needs a key of a real service: ${Object.keys(SUITES).join(' or ')}`);
for (const [key, suite] of Object.entries(SUITES))
  if (!process.env[key]) console.warn(`test:real leaves out ${suite}: ${key} is not set`);

export default defineConfig({
  test: {
    include: chosen.map(([, suite]) => `test/conformance/${suite}.test.ts`),
    env: { CONFORMANCE: 'real' },
    pool: 'forks',
    fileParallelism: false,
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
