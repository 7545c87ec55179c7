// Starts the webhook server without Temporal and records the signals that it sends.
import type { FastifyInstance } from 'fastify';
import type { SessionSignals } from '../../src/webhook/dispatch.ts';
import { createWebhookServer, type WebhookDeps } from '../../src/webhook/server.ts';
import { recordedLog } from './recorded-log.ts';
import { newSigningKey, type SignedRequest } from './signed-delivery.ts';

export type Signal = [kind: Exclude<keyof SessionSignals, 'isWatched'>, sessionId: string, message: unknown];

export interface TestApp {
  app: FastifyInstance;
  key: string;
  signals: Signal[];
  lines(): Record<string, unknown>[];
  shutdown: AbortController;
  /** POSTs to `/webhook`; headers given as undefined are left out. */
  deliver(
    request: SignedRequest,
    headers?: Record<string, string | undefined>,
  ): Promise<{ status: number; code: string | undefined; headers: Record<string, unknown> }>;
}

/** @param deps replaces parts of the server; `sessions.wake` and the others record, and resolve at once */
export function testApp(deps: Partial<WebhookDeps> = {}): TestApp {
  const key = newSigningKey();
  const signals: Signal[] = [];
  const { log, lines } = recordedLog();
  const shutdown = new AbortController();
  const app = createWebhookServer({
    keys: { current: async () => [key] },
    sessions: {
      isWatched: async () => false,
      webhookReceived: async (...call) => void signals.push(['webhookReceived', ...call]),
      webhookReceivedIfRunning: async (...call) => signals.push(['webhookReceivedIfRunning', ...call]) > 0,
      sessionChangedIfRunning: async (...call) => signals.push(['sessionChangedIfRunning', ...call]) > 0,
    },
    temporalReady: async () => true,
    temporalSilent: () => undefined,
    shutdown: shutdown.signal,
    log,
    ...deps,
  });
  return {
    app,
    key,
    signals,
    lines,
    shutdown,
    async deliver({ headers: signedHeaders, payload }, others = {}) {
      const all = Object.entries({ ...signedHeaders, ...others }).filter(([, value]) => value !== undefined);
      const response = await app.inject({
        method: 'POST',
        url: '/webhook',
        headers: Object.fromEntries(all) as Record<string, string>,
        payload,
      });
      const code = response.body === '' ? undefined : response.json().error.code;
      return { status: response.statusCode, code, headers: response.headers };
    },
  };
}
