// Global setup of the tests: what all local sandboxes are made of is fetched here, where no test's time runs out.
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../simulators/e2b/isolation/agent-bundle.ts';
import { ensureBaseTree } from '../simulators/e2b/isolation/base-tree.ts';
import { ensureNodeRuntime } from '../simulators/e2b/isolation/node-runtime.ts';

export default async function setup(): Promise<void> {
  const cache = join(PACKAGE_ROOT, '.cache');
  // A machine that cannot have them says so in the tests that need one.
  await Promise.allSettled([ensureNodeRuntime(cache), ensureBaseTree(cache)]);
}
