// The router itself as a contestant: a world with one webhook server and one worker.
import { join } from 'node:path';
import type { Simulators } from '../harness/simulators.ts';
import { createNamespace } from '../harness/temporal-namespace.ts';
import { makeCertificate, startTlsFront } from '../harness/tls-front.ts';
import { startWorld, type World } from '../harness/world.ts';
import type { Contestant } from './contestant.ts';
import { simulated, untilPaused } from './simulated.ts';

export interface RouterContestant extends Contestant {
  world: World;
}

export interface RouterOptions {
  /** Address of a running Temporal server, on which a namespace is created; default: starts a dev server. */
  temporal: string | undefined;
  /** Whether the router reaches the simulators through TLS. */
  tls?: boolean;
}

export async function startRouter(
  stateDir: string,
  name: string,
  { temporal: address, tls = false }: RouterOptions,
): Promise<RouterContestant> {
  const own = join(stateDir, tls ? 'router-tls' : 'router');
  const namespace = `bench-${Date.now()}`;
  if (address) await createNamespace(address, namespace);
  const world = await startWorld({
    stateDir: own,
    ...(address ? { temporal: { address, namespace } } : {}),
    ...(tls ? { settings: (simulators) => throughTls(simulators, own) } : {}),
  });
  return {
    name,
    world,
    ...simulated(world.simulators, world.admin),
    paused: () => untilPaused(world.simulators, world.admin, { passTime: false }),
    close: () => world.close(),
  };
}

/** Settings of a router that reaches the simulators through TLS. */
async function throughTls({ anthropic, e2b }: Simulators, folder: string): Promise<Record<string, string>> {
  const certificate = await makeCertificate(folder, 'IP:127.0.0.1');
  const front = async (url: string) => `https://127.0.0.1:${(await startTlsFront(url, certificate)).port}`;
  const e2bUrl = await front(e2b.url);
  return {
    ANTHROPIC_BASE_URL: await front(anthropic.url),
    E2B_API_URL: e2bUrl,
    E2B_SANDBOX_URL: e2bUrl,
    NODE_EXTRA_CA_CERTS: certificate.file,
  };
}
