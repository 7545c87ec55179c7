// Starts the processes of a run: two workers, two webhook servers behind a load balancer, a Temporal server with its
// database on disk (unless one is running already), and both simulators, each a process of its own.
import { join } from 'node:path';
import type { Child } from '../harness/child.ts';
import { freePort } from '../harness/free-port.ts';
import { createNamespace } from '../harness/temporal-namespace.ts';
import { startWorld, type World } from '../harness/world.ts';
import { startBalancer } from './balancer.ts';
import type { Options } from './options.ts';

export interface ChaosWorld {
  world: World;
  /** Running webhook servers by their port. */
  webhooks: Map<number, Child>;
  close(): Promise<void>;
}

const WORKERS = 2;
const WEBHOOK_SERVERS = 2;
/** Bounds of the limit on running sandboxes, which is low enough that sessions have to wait for a slot. */
const LEAST_RUNNING = 8;
const MOST_RUNNING = 100;
/** 30 s, longer than any rest between turns: shared sandboxes are kept for their retention time. */
const SHARED_RETENTION_HOURS = 1 / 120;
/** Short enough that sessions are paused between their turns. */
const GRACE_SECONDS = 4;

/** The target of copied outputs. */
export function outputsDir(stateDir: string): string {
  return join(stateDir, 'outputs');
}

export async function startChaosWorld(
  stateDir: string,
  reconcileSeconds: number,
  { scope, sessions, seed, temporal }: Options,
  print: (line: string) => void,
): Promise<ChaosWorld> {
  const limit = Math.min(MOST_RUNNING, Math.max(LEAST_RUNNING, Math.ceil(sessions / 2)));
  const ports: number[] = [];
  const running = temporal ? { address: temporal, namespace: `chaos-${seed}-${Date.now()}` } : null;
  if (running) await createNamespace(running.address, running.namespace);
  const balancer = await startBalancer(ports);
  try {
    const world = await startWorld({
      stateDir,
      workers: WORKERS,
      separateSimulators: true,
      webhookUrl: `http://127.0.0.1:${balancer.port}/webhook`,
      switches: ['removed-disks=kept'],
      graceSeconds: GRACE_SECONDS,
      ...(running ? { temporal: running } : {}),
      ...(scope === 'session' ? {} : { retentionHours: SHARED_RETENTION_HOURS }),
      settings: async () => ({
        RECONCILE_SECONDS: String(reconcileSeconds),
        OUTPUTS_TARGET: outputsDir(stateDir),
        ROUTING_SCOPE: scope,
        E2B_MAX_RUNNING_SANDBOXES: String(limit),
      }),
      onStarted: print,
    });
    const webhooks = new Map([[Number(new URL(world.webhookUrl).port), world.webhook]]);
    while (webhooks.size < WEBHOOK_SERVERS) {
      const port = await freePort();
      webhooks.set(port, await world.addWebhook(port));
    }
    ports.push(...webhooks.keys());
    return {
      world,
      webhooks,
      close: async () => {
        await world.close();
        await balancer.close();
      },
    };
  } catch (error) {
    await balancer.close();
    throw error;
  }
}
