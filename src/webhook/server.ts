// The webhook server: verifies a delivery, signals the session's workflow, and answers only after that.
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { type TemporalFault, temporalFault } from '../clients/temporal.ts';
import { failpoint } from '../failpoints.ts';
import type { Logger } from '../log.ts';
import { deliveries, deliverySeconds, refusals } from '../metrics/metrics.ts';
import { inSpan } from '../traces/spans.ts';
import { VERSION } from '../version.ts';
import { createCounters } from './counters.ts';
import { type Delivery, openDelivery, Refusal } from './delivery.ts';
import { deliverySpan } from './delivery-span.ts';
import { dispatch, type Outcome, type SessionSignals } from './dispatch.ts';
import type { SigningKeys } from './signing-keys.ts';

export interface WebhookDeps {
  keys: SigningKeys;
  sessions: SessionSignals;
  /** Whether Temporal answers and has our namespace. */
  temporalReady(): Promise<boolean>;
  /** Once aborted, the server answers deliveries with 503, so that they are sent again. */
  shutdown: AbortSignal;
  log: Logger;
  /** Called when Temporal has not answered; logs that once. */
  temporalSilent(reason: string): void;
  /** Milliseconds that Temporal has to accept a signal or to answer `/ready`; default 2,000. */
  deadlineMs?: number;
}

/** Anthropic does not say how long it waits for an answer; every service that says so waits longer than this. */
export const SIGNAL_DEADLINE_MS = 2_000;
const MAX_BODY_BYTES = 1024 * 1024;
/** A sender that needs longer for its request is broken or hostile. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTION_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;

/** Creates the server, not yet listening: `POST /webhook`, `GET /health`, `GET /ready`. */
export function createWebhookServer(deps: WebhookDeps): FastifyInstance {
  const { keys, sessions, shutdown, log, deadlineMs = SIGNAL_DEADLINE_MS } = deps;
  const counts = createCounters();
  const app = Fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  });

  // The signature covers the raw bytes, so no parser may touch them before it is verified.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );

  app.post('/webhook', async (request, reply) => {
    const startedAt = performance.now();
    const done = (
      delivery: Delivery,
      outcome: Outcome | 'not_taken',
      status: number,
      fault?: TemporalFault,
    ) => {
      // Types that the router does not know are not counted apart: there is no limit to them.
      const type = outcome === 'ignored' ? 'other' : delivery.type;
      counts.add(type, outcome);
      const ms = Math.round(performance.now() - startedAt);
      deliveries.inc({ type, outcome });
      deliverySeconds.observe(ms / 1000);
      const { eventId, subjectId } = delivery;
      const { noAnswer, ...reason } = fault ?? { noAnswer: false };
      const level = outcome === 'not_taken' && !noAnswer ? 'warn' : 'info';
      log[level](
        { eventId, type: delivery.type, sessionId: subjectId, outcome, status, ms, ...reason },
        'delivery',
      );
      if (fault && noAnswer) deps.temporalSilent(fault.details);
    };

    if (shutdown.aborted)
      throw new Refusal(503, 'shutting_down', 'The server is shutting down; send the delivery again');
    const signingKeys = await keys.current();
    if (signingKeys.length === 0) {
      throw new Refusal(
        503,
        'no_signing_key',
        'There is no signing key yet: set ANTHROPIC_WEBHOOK_SIGNING_KEY or ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE',
      );
    }
    const delivery = openDelivery(bodyOf(request), request.headers, signingKeys);
    await inSpan(deliverySpan(delivery), async () => {
      try {
        const outcome = await within(deadlineMs, dispatch(delivery, sessions));
        failpoint('webhook-signalled', delivery.subjectId);
        done(delivery, outcome, 204);
      } catch (error) {
        const answer = temporalFault(error);
        const fault = { ...answer, noAnswer: answer.noAnswer || error instanceof NoAnswer };
        done(delivery, 'not_taken', 503, fault);
        const reason = `Temporal did not accept the signal: ${fault.details}`;
        throw new Refusal(503, 'temporal_unavailable', reason);
      }
    });
    return reply.code(204).send();
  });

  app.get('/health', async () => ({
    ok: true,
    version: VERSION,
    signingKeySet: (await keys.current()).length > 0,
    ...counts.all(),
  }));

  app.get('/ready', async (_request, reply) => {
    if (shutdown.aborted)
      return reply.code(503).send(errorBody('shutting_down', 'The server is shutting down'));
    const ready = await within(deadlineMs, deps.temporalReady()).catch(() => false);
    if (!ready) return reply.code(503).send(errorBody('temporal_unavailable', 'Temporal does not answer'));
    return { ok: true };
  });

  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody('not_found', 'No such address')),
  );
  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refusal = asRefusal(error);
    counts.refuse(refusal.code);
    refusals.inc({ code: refusal.code });
    if (refusal.status === 500) log.error({ err: error }, 'the webhook server failed on a request');
    else if (refusal.code !== 'temporal_unavailable') {
      log.info(
        { eventId: claimedId(request), code: refusal.code, status: refusal.status },
        'request refused',
      );
    }
    return answer(reply, refusal);
  });
  return app;
}

class NoAnswer extends Error {}

/** Settles like the promise, but rejects after `ms`; the work behind the promise continues. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function bodyOf(request: FastifyRequest): Buffer {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new Refusal(415, 'unsupported_encoding', 'The body must not be compressed');
  if (Buffer.isBuffer(request.body)) return request.body;
  throw new Refusal(415, 'unsupported_media_type', 'The content type must be application/json');
}

function asRefusal(error: FastifyError | Refusal): Refusal {
  if (error instanceof Refusal) return error;
  const status = error.statusCode ?? 500;
  if (status === 413) return new Refusal(413, 'too_large', 'The body must not exceed 1 MiB');
  if (status === 415) {
    return new Refusal(415, 'unsupported_media_type', 'The content type must be application/json');
  }
  if (status >= 400 && status < 500) return new Refusal(status, 'bad_request', error.message);
  return new Refusal(500, 'internal', 'The server failed; its log says why');
}

function answer(reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (refusal.status === 503) reply.header('retry-after', '5');
  return reply.code(refusal.status).send(errorBody(refusal.code, refusal.message));
}

function errorBody(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}

/** The event id that an unverified request claims, if it has the form of an id; it helps to find the delivery. */
function claimedId(request: FastifyRequest): string | undefined {
  const id = request.headers['webhook-id'];
  return typeof id === 'string' && /^[\w-]{1,128}$/.test(id) ? id : undefined;
}
