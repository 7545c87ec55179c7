/** A simulator of Claude Managed Agents for self-hosted environments: the real wire protocol, a scripted model. */
import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { addRoutes, createApp } from './app.ts';
import { openIdentity } from './identity.ts';
import type { RealModelOptions } from './real-model.ts';
import { createService } from './service.ts';
import { State } from './state.ts';

export interface ManagedAgentsOptions {
  /** 0 or absent: any free port. */
  port?: number;
  /** Folder of the state; sessions of an earlier start continue. */
  stateDir: string;
  /** URL of the predefined webhook endpoint; without it, the endpoint receives nothing. */
  webhookUrl?: string | undefined;
  /** Switches by name; all others keep their stored value or default. */
  switches?: Record<string, string>;
  adminToken?: string | undefined;
  /** Same as the switch `model-delay-ms`. */
  modelDelayMs?: number | undefined;
  /** Answers messages that contain no script; absent: the scripted model answers them. */
  model?: RealModelOptions | undefined;
  log?: FastifyBaseLogger | undefined;
}

export interface ManagedAgents {
  url: string;
  /** The organisation's key. */
  apiKey: string;
  environmentId: string;
  environmentKey: string;
  agentId: string;
  /** Signing key of the predefined webhook endpoint. */
  webhookSigningKey: string;
  adminToken: string;
  close(): Promise<void>;
}

/** Starts the simulator on 127.0.0.1. Throws for an unknown switch, a port in use, or a damaged state file. */
export async function startManagedAgents(options: ManagedAgentsOptions): Promise<ManagedAgents> {
  const state = await State.open(options.stateDir);
  try {
    state.switches.patch({
      ...options.switches,
      ...(options.modelDelayMs === undefined ? {} : { 'model-delay-ms': options.modelDelayMs }),
    });
    await state.saveSettings();
    return await serve(state, options);
  } catch (error) {
    await state.close();
    throw error;
  }
}

async function serve(state: State, options: ManagedAgentsOptions): Promise<ManagedAgents> {
  const identity = await openIdentity(state, options);
  const app = createApp(options.log);
  const service = createService(state, identity, app.log, options.model);
  await addRoutes(app, service);
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  service.url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  service.webhooks.start();
  service.turns.resume();
  return {
    url: service.url,
    apiKey: identity.apiKey,
    environmentId: identity.environmentId,
    environmentKey: identity.environmentKey,
    agentId: identity.agentId,
    webhookSigningKey: state.endpoints.get(identity.endpointId)?.secret ?? '',
    adminToken: identity.adminToken,
    close: async () => {
      service.closing.abort();
      service.webhooks.stop();
      service.turns.stop();
      await app.close();
      await state.close();
    },
  };
}
