// An E2B simulator with the template, and a session's sandbox activities on workers, for the tests of one file: its hooks
// start and end with those.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { SkillArchives } from '../../../activities/equipment/skills.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import {
  createSandboxActivities,
  listSandboxes,
  sandboxMetadata,
} from '../../../activities/sandbox/prepare-sandbox.ts';
import { createSharedSandboxActivities } from '../../../activities/sandbox/shared-sandbox.ts';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { writeLocalTemplate } from '../../../template/manifest.ts';
import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import type { Prepared, SandboxRequest } from '../../../workflows/contract.ts';
import { bundleToolhost } from '../../toolhost/running-toolhost.ts';
import { activityContext, testDeps } from '../deps.ts';

export let cloud: E2BSimulator;
export let folder: string;
export let toolhost: { file: string; version: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'template-'));
  toolhost = { file: await bundleToolhost(folder), version: TOOLHOST_VERSION };
  const template = await writeLocalTemplate(folder, toolhost.file);
  cloud = await startE2BSimulator({ templates: [template] });
});
afterAll(async () => {
  await cloud.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await cloud.admin('DELETE', '/faults');
});

export const environmentId = 'env_1';
let lastSession = 0;

/** A session's sandbox activities, as one worker has them. */
export function worker(template: string = DEFINITION.name, sessionId = `sesn_${++lastSession}`, attempt = 1) {
  const deps = testDeps({ e2b: { ...cloud, template } }, { toolhost: { ...toolhost } });
  const sandboxes = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const activities = createSandboxActivities(deps, sandboxes);
  const shared = createSharedSandboxActivities(deps, sandboxes, new SkillArchives());
  const run = activityContext({ attempt });
  return {
    deps,
    sessionId,
    prepare: (sandboxId: string | null = null, wish: Partial<SandboxRequest> = {}): Promise<Prepared> =>
      run.run(activities.prepareSandbox, { sessionId, environmentId, sandboxId, nonce: 'nonce-1', ...wish }),
    /** The session's id stands for the key. */
    prepareShared: (
      _sandboxId: string | null = null,
      wish: Partial<SandboxRequest> = {},
    ): Promise<Prepared> =>
      run.run(shared.prepareSharedSandbox, {
        environmentId,
        key: sessionId,
        sandboxId: null,
        nonce: 'nonce-1',
        ...wish,
      }),
    pause: (sandboxId: string): Promise<'paused' | 'lost'> => run.run(activities.pauseSandbox, { sandboxId }),
    kill: (): Promise<string[]> => run.run(activities.killSandboxes, { sessionId, environmentId }),
    list: () => listSandboxes(deps, sandboxMetadata(environmentId, sessionId)),
  };
}
export const fault = (rule: object) => cloud.admin('POST', '/faults', { times: 1, ...rule });
export const healthOf = async (of: ReturnType<typeof worker>, sandboxId: string) =>
  of.deps.e2b.toolhost(await of.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).health();
