// The settings for traces, part of ./deployment-settings.ts. Their variables are those of OpenTelemetry.
import { headerList, number, url, word } from './kinds.ts';
import { setting } from './setting.ts';

/** Where webhook servers and workers send spans. */
export const TRACES = {
  endpoint: setting(url, {
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    meaning:
      'Base URL that spans are sent to, by OTLP over HTTP (docs/traces.md); `/v1/traces` is added. If not set, no spans are made',
    example: 'http://127.0.0.1:4318',
    neededBy: 'both',
  }),
  headers: setting(headerList, {
    variable: 'OTEL_EXPORTER_OTLP_HEADERS',
    meaning:
      'Headers of the requests that send spans, such as credentials: `name=value`, separated by commas',
    example: 'authorization=Bearer%20…',
    neededBy: 'both',
    secret: true,
  }),
  serviceName: setting(word, {
    variable: 'OTEL_SERVICE_NAME',
    meaning: 'Name of the service in its spans',
    default: 'managed-agents-router',
    example: 'router-staging',
    neededBy: 'both',
  }),
  sampleRatio: setting(number(0, 1), {
    variable: 'OTEL_TRACES_SAMPLER_ARG',
    meaning: 'Part of the sessions that is traced; a session is traced as a whole or not at all',
    default: 1,
    example: 0.1,
    neededBy: 'both',
  }),
};
