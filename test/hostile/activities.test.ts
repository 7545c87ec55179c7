// The activities, with something hostile on the ports of the sandbox.
import type { Sandbox } from 'e2b';
import { afterEach, expect, it } from 'vitest';
import { createCopyOutputs } from '../../activities/outputs/copy-outputs.ts';
import { limitAttempts } from '../../activities/sandbox/limit-attempts.ts';
import type { OpenSandboxes } from '../../activities/sandbox/open-sandboxes.ts';
import { ensureToolhost } from '../../activities/sandbox/toolhost-setup.ts';
import { type HostileServer, startHostile } from '../../harness/hostile/start.ts';
import { Envd } from '../../src/clients/envd.ts';
import { Toolhost } from '../../src/clients/toolhost.ts';
import type { OutputStore } from '../../src/outputs/store.ts';
import { activityContext, testDeps } from '../activities/deps.ts';

let server: HostileServer | undefined;
afterEach(() => server?.stop());

const sandbox = { sandboxId: 'i1' } as Sandbox;
const open = { open: async () => sandbox, forget: () => undefined } as unknown as OpenSandboxes;

async function hostile(attack: string, paths = '.', outputs?: OutputStore) {
  server = await startHostile(attack, { paths });
  const port = { origin: server.origin, headers: {} };
  const deps = testDeps({}, outputs ? { outputs } : {});
  deps.e2b.toolhost = () => new Toolhost(port);
  deps.e2b.envd = () => new Envd(port);
  return deps;
}

/** Attempt after attempt, each with what the one before left; without the pauses. */
async function lastAttempt<Result>(work: () => Promise<Result>) {
  let heartbeatDetails: unknown;
  for (let attempt = 1; attempt < 60; attempt += 1) {
    const context = activityContext({ attempt, heartbeatDetails });
    context.on('heartbeat', (details) => {
      heartbeatDetails = structuredClone(details);
    });
    try {
      return { attempt, result: await context.run(work) };
    } catch (error) {
      if ((error as { nonRetryable?: boolean }).nonRetryable) return { attempt, error: error as Error };
    }
  }
  throw new Error('no end of attempts');
}

it.each(['redirect-307', 'null', 'not-json', 'status-500'])(
  'a sandbox that cannot be made ready is given up: %s',
  async (attack) => {
    const deps = await hostile(attack);
    const { attempt, error } = await lastAttempt(() =>
      limitAttempts(deps, 'i1', () => ensureToolhost(deps, sandbox)),
    );
    expect(error?.message).toMatch(/^sandbox i1 cannot be worked with: /);
    expect(attempt).toBeLessThanOrEqual(40);
    expect(attempt).toBeGreaterThan(3);
  },
);

it.each(['redirect-302', 'null', 'wrong-types'])(
  'a list of outputs that cannot be used is a problem, not a day of tries: %s',
  async (attack) => {
    const store: OutputStore = { target: '/somewhere', put: async () => undefined };
    const deps = await hostile(attack, '^/outputs$', store);
    const { copyOutputs } = createCopyOutputs(deps, open);
    const args = { sessionId: 'sesn_1', environmentId: 'env_1', sandboxId: 'i1' };
    const { attempt, result } = await lastAttempt(() => copyOutputs(args));
    expect(attempt).toBe(6);
    expect(result).toMatchObject({
      outcome: 'copied',
      files: 0,
      problems: [expect.stringMatching(/^what is left is not copied: the toolhost answers /)],
    });
  },
);

it('a file that is redirected is a problem of that file', async () => {
  const store: OutputStore = { target: '/somewhere', put: async () => undefined };
  const deps = await hostile('redirect-302', '^/outputs/file', store);
  const { copyOutputs } = createCopyOutputs(deps, open);
  const args = { sessionId: 'sesn_1', environmentId: 'env_1', sandboxId: 'i1' };
  const { attempt, result } = await lastAttempt(() => copyOutputs(args));
  expect(attempt).toBe(1);
  expect(result).toMatchObject({
    files: 0,
    problems: [expect.stringContaining('a: the toolhost answers 302')],
  });
});
