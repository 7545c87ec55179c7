// A process that runs the activities of a worker against hostile sandboxes for a while, and says what it took.
// node victim.ts '{"attacks": ["huge"], "sandboxes": 1, "forMs": 5000}'
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import type { Sandbox } from 'e2b';
import { createCopyOutputs } from '../../activities/outputs/copy-outputs.ts';
import type { OpenSandboxes } from '../../activities/sandbox/open-sandboxes.ts';
import { ensureToolhost } from '../../activities/sandbox/toolhost-setup.ts';
import { SessionView } from '../../activities/session/session-view.ts';
import { SessionViews } from '../../activities/session/session-views.ts';
import { createToolCallActivities } from '../../activities/tool-calls/run-tool-call.ts';
import { startHostile } from '../../harness/hostile/start.ts';
import { Envd } from '../../src/clients/envd.ts';
import { Toolhost } from '../../src/clients/toolhost.ts';
import { DirectoryStore } from '../../src/outputs/directory.ts';
import { activityContext, testDeps } from '../activities/deps.ts';

export interface VictimReport {
  peakMiB: number;
  /** Activities that ended by themselves, by how. */
  ended: Record<string, number>;
  requests: number;
}

const {
  attacks,
  sandboxes: count,
  forMs,
} = JSON.parse(process.argv[2] ?? '{}') as {
  attacks: string[];
  sandboxes: number;
  forMs: number;
};

const folder = await mkdtemp(join(tmpdir(), 'victim-'));
const servers = await Promise.all(attacks.map((attack) => startHostile(attack)));
const originOf = (sandboxId: string) => servers[Number(sandboxId) % servers.length]?.origin ?? '';
const deps = testDeps({}, { outputs: new DirectoryStore({ kind: 'directory', path: folder }) });
deps.e2b.toolhost = ({ sandboxId }) => new Toolhost({ origin: originOf(sandboxId), headers: {} });
deps.e2b.envd = ({ sandboxId }) => new Envd({ origin: originOf(sandboxId), headers: {} });
const open = {
  open: async (sandboxId: string) => ({ sandboxId }) as Sandbox,
  forget: () => undefined,
} as unknown as OpenSandboxes;
const views = new SessionViews();
const { runToolCall } = createToolCallActivities(deps, open, views);
const { copyOutputs } = createCopyOutputs(deps, open);

const ended: VictimReport['ended'] = {};
let over = false;
/** As Temporal does it: attempt after attempt, each with what the one before left. */
async function activity(
  name: string,
  work: () => Promise<unknown>,
  contexts: Set<{ cancel(): void }>,
): Promise<void> {
  let heartbeatDetails: unknown;
  for (let attempt = 1; !over; attempt += 1) {
    const context = activityContext({ attempt, heartbeatDetails, heartbeatTimeoutMs: 8_000 });
    contexts.add(context as never);
    context.on('heartbeat', (details) => {
      heartbeatDetails = details;
    });
    try {
      await context.run(work);
      ended[`${name} returned`] = (ended[`${name} returned`] ?? 0) + 1;
      return;
    } catch (error) {
      if (over || error instanceof CancelledFailure) return;
      if ((error as { nonRetryable?: boolean }).nonRetryable) {
        const key = `${name}: ${(error as Error).message.slice(0, 60)}`;
        ended[key] = (ended[key] ?? 0) + 1;
        return;
      }
      await sleep(Math.min(10_000, 200 * 2 ** attempt));
    } finally {
      contexts.delete(context as never);
    }
  }
}

function sandboxOf(index: number, contexts: Set<{ cancel(): void }>): Promise<void>[] {
  const sandboxId = String(index);
  const sessionId = `sesn_${index}`;
  const view = new SessionView([], null);
  view.apply({
    id: `sevt_${index}`,
    type: 'agent.tool_use',
    name: 'bash',
    input: { command: 'true' },
    processed_at: new Date().toISOString(),
  } as never);
  views.set(sessionId, {
    since: 1,
    workId: 'work_1',
    view,
    lease: { current: null },
    supersede: () => undefined,
  });
  const call = {
    sessionId,
    sandboxId,
    call: { id: `sevt_${index}`, name: 'bash' },
    sealedSecret: null,
  };
  /** What a sync reads, all at once. */
  const memory = (toolhost: Toolhost) => [
    toolhost.mountMemory('m', { root: '/mnt/memory/m', readOnly: false }),
    ...Array.from({ length: 8 }, (_, file) => toolhost.readMemory('m', `file ${file}`)),
  ];
  return [
    activity('call', () => runToolCall(call as never), contexts),
    activity('outputs', () => copyOutputs({ sessionId, environmentId: 'env_1', sandboxId }), contexts),
    activity('memory', () => Promise.all(memory(deps.e2b.toolhost({ sandboxId } as Sandbox))), contexts),
    activity('setup', () => ensureToolhost(deps, { sandboxId } as Sandbox), contexts),
  ];
}

let peak = 0;
const sampler = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 20);
const contexts = new Set<{ cancel(): void }>();
const work = Promise.all(Array.from({ length: count }, (_, index) => sandboxOf(index, contexts)).flat());
await Promise.race([work, sleep(forMs)]);
over = true;
for (const context of contexts) context.cancel();
await Promise.race([work, sleep(5_000)]);
clearInterval(sampler);
const requests = await Promise.all(servers.map((server) => server.requests().catch(() => 0)));
for (const server of servers) server.stop();
await rm(folder, { recursive: true, force: true });
const report: VictimReport = {
  peakMiB: Math.round(peak / 1024 ** 2),
  ended,
  requests: requests.reduce((sum, one) => sum + one, 0),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
