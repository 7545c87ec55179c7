// Global setup of the tests: one Temporal dev server for all files that need one. Each file keeps to ids of its own.
import type { TestProject } from 'vitest/node';
import { findTestServer } from '../harness/temporal-binary.ts';
import { startTemporal } from '../harness/temporal-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** `127.0.0.1:port` of the shared server; its namespace is `default`. */
    temporalAddress: string;
  }
}

/** Projects whose tests use it. */
const USED_BY = ['unit', 'integration', 'crash', 'package', 'histories'];

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (!project.vitest.projects.some(({ name }) => USED_BY.includes(name))) return undefined;
  // Tests start the server that skips time themselves; its program is downloaded here, outside of their time-outs.
  await findTestServer();
  const server = await startTemporal();
  project.provide('temporalAddress', server.address);
  return server.close;
}
