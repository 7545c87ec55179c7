// Outputs of real sandboxes, copied to a store that tells what it was given.
import { text } from 'node:stream/consumers';
import type { Sandbox } from 'e2b';
import { expect, it } from 'vitest';
import { createCopyOutputs } from '../../../activities/outputs/copy-outputs.ts';
import { OpenSandboxes } from '../../../activities/sandbox/open-sandboxes.ts';
import type { OutputStore } from '../../../src/outputs/store.ts';
import type { Copied } from '../../../workflows/contract.ts';
import { activityContext, testDeps } from '../deps.ts';
import { e2b } from '../e2b.ts';

/** @param failAt the path below outputs at which the store fails, each time */
function storeOf(failAt?: string) {
  const held = new Map<string, string>();
  const store: OutputStore = {
    target: '/somewhere',
    put: async (key, content) => {
      if (failAt && key.endsWith(`/${failAt}`)) throw new Error('disk full');
      held.set(key, await text(content as never));
    },
  };
  return { store, held };
}

function worker(outputs?: OutputStore) {
  const deps = testDeps({ e2b }, outputs ? { outputs } : {});
  const open = new OpenSandboxes(deps.e2b, deps.config.e2b.timeoutMs);
  const { copyOutputs } = createCopyOutputs(deps, open);
  return async (sandboxId: string, heartbeatDetails?: unknown) => {
    const context = activityContext({ heartbeatDetails });
    let last: unknown;
    context.on('heartbeat', (details) => {
      last = structuredClone(details);
    });
    const args = { sessionId: 'sesn_1', environmentId: 'env_1', sandboxId };
    const copied: Promise<Copied> = context.run(copyOutputs, args);
    return copied.then(
      (result) => ({ result }),
      (error: Error & { nonRetryable?: boolean }) => ({ error, last }),
    );
  };
}

async function sandboxWith(commands: string): Promise<Sandbox> {
  const sandbox = await e2b.Sandbox.create(e2b.template, { lifecycle: { onTimeout: 'pause' } });
  await sandbox.commands.run(`cd /mnt/session/outputs && ${commands}`);
  return sandbox;
}

it('copies what is there, also out of a paused sandbox, under the names of environment and session', async () => {
  const { sandboxId } = await sandboxWith('mkdir -p sub; echo one > a; echo two > "sub/b c.txt"; : > empty');
  await e2b.Sandbox.pause(sandboxId);
  const { store, held } = storeOf();
  expect(await worker(store)(sandboxId)).toEqual({
    result: { outcome: 'copied', target: '/somewhere', files: 3, bytes: 8, problems: [] },
  });
  expect(Object.fromEntries(held)).toEqual({
    'env_1/sesn_1/a': 'one\n',
    'env_1/sesn_1/empty': '',
    'env_1/sesn_1/sub/b c.txt': 'two\n',
  });
});

it('leaves out what cannot be the name of a copy, and says so; links are no files', async () => {
  const { sandboxId } = await sandboxWith("echo x > 'a\\b'; ln -s /etc/passwd link; echo fine > c");
  const { store, held } = storeOf();
  expect(await worker(store)(sandboxId)).toMatchObject({
    result: { files: 1, problems: ['"a\\\\b" cannot be the name of a copy'] },
  });
  expect([...held.keys()]).toEqual(['env_1/sesn_1/c']);
});

it('has nothing to copy where there is nothing', async () => {
  const { sandboxId } = await sandboxWith('true');
  expect(await worker(storeOf().store)(sandboxId)).toMatchObject({ result: { files: 0, bytes: 0 } });
});

it('is tried again where the place takes nothing, and goes on behind what is copied', async () => {
  const { sandboxId } = await sandboxWith('for name in a b c; do echo $name > $name; done');
  const failing = storeOf('b');
  const { error, last } = (await worker(failing.store)(sandboxId)) as { error: Error; last: unknown };
  expect(error).toMatchObject({
    nonRetryable: false,
    message: 'b cannot be copied to /somewhere (OUTPUTS_TARGET): disk full',
  });
  const mended = storeOf();
  expect(await worker(mended.store)(sandboxId, last)).toEqual({
    result: { outcome: 'copied', target: '/somewhere', files: 3, bytes: 6, problems: [] },
  });
  expect([...failing.held.keys(), ...mended.held.keys()].sort()).toEqual([
    'env_1/sesn_1/a',
    'env_1/sesn_1/b',
    'env_1/sesn_1/c',
  ]);
});

it.each([429, 502])(
  'is tried again where the way to the sandbox answers %s, and loses no file',
  async (status) => {
    const { sandboxId } = await sandboxWith('for name in a b c; do echo $name > $name; done');
    // The list of them passes.
    await e2b.admin('POST', '/faults', {
      route: 'port',
      match: sandboxId,
      kind: 'status',
      status,
      after: 1,
      times: 1,
    });
    const { store, held } = storeOf();
    const { error, last } = (await worker(store)(sandboxId)) as { error: Error; last: unknown };
    expect(error).toMatchObject({ nonRetryable: false });
    expect(await worker(store)(sandboxId, last)).toMatchObject({ result: { files: 3, problems: [] } });
    expect([...held.keys()]).toHaveLength(3);
  },
);

it('says that a sandbox is gone, and that a worker does not know where to', async () => {
  const { sandboxId } = await sandboxWith('echo x > a');
  expect(await worker()(sandboxId)).toMatchObject({
    error: { nonRetryable: false, message: expect.stringContaining('OUTPUTS_TARGET') },
  });
  await e2b.Sandbox.kill(sandboxId);
  expect(await worker(storeOf().store)(sandboxId)).toEqual({ result: { outcome: 'sandbox lost' } });
});
