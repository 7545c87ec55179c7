// Starts the webhook server with its signing keys and its connection to Temporal.
import type { AddressInfo } from 'node:net';
import { namesOf } from '../../workflows/messages.ts';
import { SearchAttributes } from '../clients/search-attributes.ts';
import { createSessions, type Sessions } from '../clients/sessions.ts';
import { describeNamespace, explainTemporalError, type Temporal } from '../clients/temporal.ts';
import type { WebhookConfig } from '../config.ts';
import type { Logger } from '../log.ts';
import type { TemporalOutage } from '../temporal-outage.ts';
import { signalRunningFirst } from './running-first.ts';
import { createWebhookServer, SIGNAL_DEADLINE_MS } from './server.ts';
import { createSigningKeys } from './signing-keys.ts';
import { askWhereLikely } from './watched-sessions.ts';

/** Of a question that saves a signal: without an answer the signal is sent, and still in time. */
const ASK_DEADLINE_MS = 500;
/** From the end of a session's grace until it rests, generously. */
const REST_MARGIN_MS = 10_000;

export interface RunningWebhook {
  /** `http://host:port` */
  url: string;
  /** From now on deliveries and `/ready` are answered with 503. */
  drain(): void;
  /** Stops listening; resolves when every running request is answered. */
  close(): Promise<void>;
}

/**
 * Starts to listen even if Temporal cannot be reached yet; until it can, deliveries get 503.
 * @throws Error that names WEBHOOK_PORT if the port is in use, and the system's error if listening fails otherwise
 */
export async function startWebhook(
  config: WebhookConfig,
  temporal: Temporal,
  log: Logger,
  outage: Pick<TemporalOutage, 'report'>,
): Promise<RunningWebhook> {
  const { connection, client } = temporal;
  const shutdown = new AbortController();
  const attributes = new SearchAttributes(connection, config.temporal.namespace, log);
  const settings = {
    ...config.session,
    // Read for each start: the server may learn the attributes later.
    get searchAttributes() {
      return attributes.known;
    },
  };
  const sessions = createSessions(
    client,
    { environmentId: config.environmentId, settings },
    namesOf(config.deployment),
  );
  const signal = <T>(send: (to: Sessions) => Promise<T>): Promise<T> =>
    // Without a deadline the client would keep trying long after the delivery was answered with 503.
    connection.withDeadline(Date.now() + SIGNAL_DEADLINE_MS, async () => {
      await attributes.ask();
      return send(sessions);
    });
  const received = signalRunningFirst(sessions);

  const app = createWebhookServer({
    keys: createSigningKeys({
      keys: config.webhook.signingKeys,
      ...(config.webhook.signingKeyFile ? { file: config.webhook.signingKeyFile } : {}),
      log,
    }),
    sessions: {
      isWatched: askWhereLikely(
        (id) => connection.withDeadline(Date.now() + ASK_DEADLINE_MS, () => sessions.isWatched(id)),
        { asleepAfterMs: config.session.graceMs + REST_MARGIN_MS },
      ),
      webhookReceived: (id, webhook) => signal(() => received(id, webhook)),
      webhookReceivedIfRunning: (id, webhook) => signal((to) => to.webhookReceivedIfRunning(id, webhook)),
      sessionChangedIfRunning: (id, change) => signal((to) => to.sessionChangedIfRunning(id, change)),
    },
    temporalReady: () =>
      connection.withDeadline(Date.now() + SIGNAL_DEADLINE_MS, () =>
        describeNamespace(connection, config.temporal.namespace).then(() => true),
      ),
    shutdown: shutdown.signal,
    log,
    temporalSilent: (reason) => outage.report(reason),
  });
  await app.listen({ host: config.webhook.host, port: config.webhook.port }).catch((error) => {
    throw inUse(error, config.webhook);
  });
  const { port } = app.server.address() as AddressInfo;
  // Asked in advance, so that the first delivery does not wait for the answer.
  attributes
    .ask()
    .catch((error) =>
      log.warn(`${explainTemporalError(error, config.temporal)}. Until then deliveries get 503`),
    );
  return {
    url: `http://${config.webhook.host}:${port}`,
    drain: () => shutdown.abort(),
    close: () => app.close(),
  };
}

function inUse(error: NodeJS.ErrnoException, { host, port }: WebhookConfig['webhook']): Error {
  if (error.code !== 'EADDRINUSE') return error;
  const cure =
    'Stop the program that listens there, often another router, or set WEBHOOK_PORT to another port';
  return new Error(`${host}:${port} is in use (EADDRINUSE). ${cure}`, { cause: error });
}
