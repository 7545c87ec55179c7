// A session's sandbox activities on workers, with the E2B simulator.
import { SkillArchives } from '../../../activities/equipment/skills.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import {
  createSandboxActivities,
  listSandboxes,
  sandboxMetadata,
} from '../../../activities/sandbox/prepare-sandbox.ts';
import { createSharedSandboxActivities } from '../../../activities/sandbox/shared-sandbox.ts';
import { DEFINITION } from '../../../template/definition.ts';
import type { Prepared, SandboxRequest } from '../../../workflows/contract.ts';
import { activityContext, testDeps } from '../deps.ts';
import { e2b } from '../e2b.ts';

export const environmentId = 'env_1';
let lastSession = 0;

/** A session's sandbox activities, as one worker has them. */
export function worker(template: string = DEFINITION.name, sessionId = `sesn_${++lastSession}`, attempt = 1) {
  const deps = testDeps({ e2b: { ...e2b, template } });
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
export const fault = (rule: object) => e2b.admin('POST', '/faults', { times: 1, ...rule });
export const healthOf = async (of: ReturnType<typeof worker>, sandboxId: string) =>
  of.deps.e2b.toolhost(await of.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).health();
