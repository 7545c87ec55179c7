// A session's sandbox paused and killed.
import { describe, expect, it } from 'vitest';
import { sandboxMetadata } from '../../../activities/sandbox/prepare-sandbox.ts';
import { DEFINITION } from '../../../template/definition.ts';
import { e2b } from '../e2b.ts';
import { environmentId, fault, worker } from './sandbox-workers.ts';

describe('pause', () => {
  it('is safe to repeat', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    expect(await one.pause(sandboxId)).toBe('paused');
    expect(await one.pause(sandboxId)).toBe('paused');
  });

  it('says so when the sandbox is gone', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    await e2b.admin('POST', `/sandboxes/${sandboxId}/vanish`);
    expect(await one.pause(sandboxId)).toBe('lost');
  });

  it('is not believed before it was read back', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    await fault({ route: 'sandbox.pause', kind: 'status', status: 204 });
    await expect(one.pause(sandboxId)).rejects.toMatchObject({ nonRetryable: false });
    expect(await one.pause(sandboxId)).toBe('paused');
  });

  it('kills what was made for the session late, unless a call ran there', async () => {
    const one = worker();
    const { sandboxId } = await one.prepare();
    const metadata = sandboxMetadata(environmentId, one.sessionId);
    const more = () => one.deps.e2b.Sandbox.create(DEFINITION.name, { metadata, timeoutMs: 60_000 });
    const [unused, used] = [await more(), await more()];
    await used.files.write('/var/lib/toolhost/calls.jsonl', '{"id":"sevt_1"}\n', { user: 'root' });
    const stranger = worker();
    await stranger.prepare();
    expect(await one.pause(sandboxId)).toBe('paused');
    const left = (await one.list()).map(({ sandboxId, state }) => [sandboxId, state]);
    expect(left.sort()).toEqual(
      [
        [sandboxId, 'paused'],
        [used.sandboxId, 'running'],
      ].sort(),
    );
    expect(await unused.isRunning()).toBe(false);
    expect((await stranger.list()).map(({ state }) => state)).toEqual(['running']);
  });
});

describe('kill', () => {
  it('leaves nothing of the session, and is safe to repeat', async () => {
    const one = worker();
    const stranger = worker();
    await stranger.prepare();
    const { sandboxId } = await one.prepare();
    expect(await one.kill()).toEqual([sandboxId]);
    expect(await one.list()).toEqual([]);
    expect(await one.kill()).toEqual([]);
    expect(await stranger.list()).toHaveLength(1);
  });
});
