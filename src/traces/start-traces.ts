// Sends spans to an OpenTelemetry endpoint (OTLP over HTTP, protobuf). Loaded only where one is configured.
import { hostname } from 'node:os';
import {
  type Context,
  context,
  DiagLogLevel,
  diag,
  propagation,
  SamplingDecision,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { parseKeyPairsIntoRecord, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  type IdGenerator,
  RandomIdGenerator,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import { VERSION } from '../version.ts';
import { enableSpans, idsOfStartingSpan } from './spans.ts';

/** A process that dies loses at most the spans of this time. */
const SEND_EVERY_MS = 1_000;
/** A stop does not wait longer for an endpoint that does not answer. */
const LAST_SEND_WITHIN_MS = 1_000;
const WARN_EVERY_MS = 60_000;
const REASON_CHARS = 200;

/** From now on this process makes spans. Once 2,048 wait for the endpoint, further ones are dropped. */
export function startTraces(
  config: Config['traces'] & { endpoint: string },
  log: Logger,
): { stop(): Promise<void> } {
  diag.setLogger(diagLogger(log, config.endpoint), DiagLogLevel.ERROR);
  const exporter = new OTLPTraceExporter({
    url: `${config.endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: parseKeyPairsIntoRecord(config.headers),
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': config.serviceName,
      'service.version': VERSION,
      'service.instance.id': `${process.pid}@${hostname()}`,
    }).merge(detectResources({ detectors: [envDetector] })),
    sampler: sessionSampler(config.sampleRatio),
    idGenerator: derivedIds(),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: SEND_EVERY_MS })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  enableSpans();
  return {
    stop: async () => {
      const late = new Promise((resolve) => setTimeout(resolve, LAST_SEND_WITHIN_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

function derivedIds(): IdGenerator {
  const random = new RandomIdGenerator();
  return {
    generateTraceId: () => idsOfStartingSpan()?.traceId ?? random.generateTraceId(),
    generateSpanId: () => idsOfStartingSpan()?.spanId ?? random.generateSpanId(),
  };
}

/**
 * Decides by the id of the trace, so that all processes decide alike about a session. Requests outside any session, such
 * as polls of the queue, have no span: they would be thousands of traces of one span each.
 */
function sessionSampler(ratio: number): Sampler {
  const byTraceId = new TraceIdRatioBasedSampler(ratio);
  return {
    shouldSample: (parent: Context, traceId: string) =>
      idsOfStartingSpan() || trace.getSpanContext(parent)
        ? byTraceId.shouldSample(parent, traceId)
        : { decision: SamplingDecision.NOT_RECORD },
    toString: () => `sessions, ${byTraceId}`,
  };
}

/** An endpoint that is away is one line a minute. */
function diagLogger(log: Logger, endpoint: string) {
  let warnedAt = Number.NEGATIVE_INFINITY;
  const ignore = () => undefined;
  const error = (message: string) => {
    if (Date.now() - warnedAt < WARN_EVERY_MS) return;
    warnedAt = Date.now();
    const reason = message.slice(0, REASON_CHARS);
    log.warn(
      { url: endpoint, reason },
      'spans cannot be sent; they are dropped (OTEL_EXPORTER_OTLP_ENDPOINT)',
    );
  };
  return { error, warn: ignore, info: ignore, debug: ignore, verbose: ignore };
}
