/** Lists all registered routes of the simulator's API, from which tests derive their wrong requests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addRoutes, createApp } from '../anthropic/app.ts';
import type { CallerKind } from '../anthropic/auth.ts';
import { openIdentity } from '../anthropic/identity.ts';
import { createService } from '../anthropic/service.ts';
import { State } from '../anthropic/state.ts';

export interface Route {
  method: string;
  /** The path with parameters such as `:session_id`. */
  url: string;
  /** The route name in fault rules. */
  name: string;
  accepts: readonly CallerKind[];
}

export async function routesOfTheApi(): Promise<Route[]> {
  const stateDir = await mkdtemp(join(tmpdir(), 'routes-'));
  const state = await State.open(stateDir);
  const app = createApp(undefined);
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const one of [method].flat()) {
      if (one === 'HEAD' || !url.startsWith('/v1/')) continue;
      const { fault = '', accepts = ['organization'] } = config ?? {};
      routes.push({ method: one, url, name: String(fault), accepts });
    }
  });
  const identity = await openIdentity(state, {});
  await addRoutes(app, createService(state, identity, app.log, undefined));
  await app.ready();
  await app.close();
  await state.close();
  await rm(stateDir, { recursive: true, force: true });
  return routes;
}

/** The parameters of a route's path. */
export function parametersOf({ url }: Route): string[] {
  return [...url.matchAll(/:(\w+)/g)].map(([, name]) => name as string);
}
