/** A simulator of Claude Managed Agents for self-hosted environments: the real wire protocol, a scripted model. */
import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { addRoutes, createApp } from './app.ts';
import { openIdentity } from './identity.ts';
import type { RealModelOptions } from './real-model.ts';
import { createService } from './service.ts';
import { State } from './state.ts';

export interface ManagedAgentsOptions {
  /** 0 or absent: any that is free. */
  port?: number;
  /** A folder; what an earlier start left there goes on. */
  stateDir: string;
  /** Where the webhook that exists from the start is sent; without it, nowhere. */
  webhookUrl?: string | undefined;
  /** Values of switches by name; others keep the value of the state or their default. */
  switches?: Record<string, string>;
  adminToken?: string | undefined;
  /** How long the model takes for a step; short for the switch `model-delay-ms`. */
  modelDelayMs?: number | undefined;
  /** Makes the turns of messages without a script; absent: the scripted model does. */
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
  /** Of the webhook that exists from the start. */
  webhookSigningKey: string;
  adminToken: string;
  close(): Promise<void>;
}

/** Starts the simulator on 127.0.0.1. Throws on an unknown switch, a taken port, a damaged state. */
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
