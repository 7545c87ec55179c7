// The E2B simulator with the template, for the tests of one file: its hooks start and end with those.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../simulators/test/e2b-simulator.ts';
import { DEFINITION } from '../../template/definition.ts';
import { writeLocalTemplate } from '../../template/manifest.ts';
import { TOOLHOST_BUNDLE } from '../toolhost/running-toolhost.ts';

/** With the name of its template. */
export let e2b: E2BSimulator & { template: string };
/** A folder of the tests' own, removed after them. */
export let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
  const templates = [await writeLocalTemplate(folder, TOOLHOST_BUNDLE)];
  e2b = { ...(await startE2BSimulator({ templates })), template: DEFINITION.name };
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => e2b.admin('DELETE', '/faults'));
