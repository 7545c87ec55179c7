// Which sandboxes are adopted: with a proof, of the same session, no fork.
import { describe, expect, it } from 'vitest';
import {
  listSandboxes,
  sandboxMetadata,
  sharedMetadata,
} from '../../../activities/sandbox/prepare-sandbox.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { e2b } from '../e2b.ts';
import { environmentId, worker } from './sandbox-workers.ts';

describe.each([
  ['of a session', 'prepare', sandboxMetadata],
  ['that is shared', 'prepareShared', sharedMetadata],
] as const)('adoption of a sandbox %s', (_what, prepare, of) => {
  it.each<[string, (own: Record<string, string>) => Record<string, string>]>([
    ['without a proof', () => ({})],
    ['with a proof that is none', ({ nonce = '' }) => ({ nonce, proof: 'made-up' })],
    ['with the proof of another one', ({ nonce = '', proof = '' }) => ({ nonce: `${nonce}x`, proof })],
  ])('is refused %s', async (_how, forge) => {
    const other = worker();
    await other[prepare]();
    const [info] = await listSandboxes(other.deps, of(environmentId, other.sessionId));
    const one = worker();
    const metadata = { ...of(environmentId, one.sessionId), ...forge(info?.metadata ?? {}) };
    const planted = await one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    const { sandboxId, how } = await one[prepare]();
    expect(how).toBe('created');
    expect(sandboxId).not.toBe(planted.sandboxId);
  });

  it('is refused with the proof of another session', async () => {
    const other = worker();
    await other[prepare]();
    const [info] = await listSandboxes(other.deps, of(environmentId, other.sessionId));
    const one = worker();
    const metadata = { ...info?.metadata, ...of(environmentId, one.sessionId) };
    await one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    expect((await one[prepare]()).how).toBe('created');
  });

  it('works where the history is gone, but takes no fork in place of a lost original', async () => {
    const one = worker();
    const { sandboxId } = await one[prepare]();
    const restarted = await one[prepare](null, { nonce: 'nonce-2' });
    expect(restarted).toMatchObject({ sandboxId, how: 'adopted' });
    await (await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).fork({ timeoutMs: 60_000 });
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    const replaced = await one[prepare](null, { nonce: 'nonce-3', hadSandbox: true });
    expect(replaced.how).toBe('created');
  });

  it('uses neither of an original and its fork where the history is gone', async () => {
    const one = worker();
    const { sandboxId } = await one[prepare]();
    await (await one.deps.e2b.Sandbox.connect(sandboxId, { timeoutMs: 60_000 })).fork({ timeoutMs: 60_000 });
    const restarted = await one[prepare](null, { nonce: 'nonce-2' });
    expect(restarted.how).toBe('created');
    expect(restarted.sandboxId).not.toBe(sandboxId);
  });
});
