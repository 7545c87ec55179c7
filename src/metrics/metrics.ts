// What the router counts and measures for Prometheus. docs/metrics.md lists every metric; labels have few, fixed values.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** All metrics of this process. */
export const registry = new Registry();

const PREFIX = 'managed_agents_router_';
const registers = [registry];
/** Seconds, from a hot call to one that takes all of its time. */
const CALL_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const ANSWER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

export const deliveries = new Counter({
  name: `${PREFIX}deliveries_total`,
  help: 'Deliveries of webhooks by type of event and outcome',
  labelNames: ['type', 'outcome'],
  registers,
});
export const deliverySeconds = new Histogram({
  name: `${PREFIX}delivery_seconds`,
  help: 'Time until a delivery was durable and answered',
  buckets: ANSWER_BUCKETS,
  registers,
});
export const refusals = new Counter({
  name: `${PREFIX}requests_refused_total`,
  help: 'Requests that the webhook server refused, by code',
  labelNames: ['code'],
  registers,
});

export const toolCalls = new Counter({
  name: `${PREFIX}tool_calls_total`,
  help: 'Tool calls by tool and outcome',
  labelNames: ['tool', 'outcome'],
  registers,
});
export const toolCallSeconds = new Histogram({
  name: `${PREFIX}tool_call_seconds`,
  help: 'Time from the call being scheduled to its result being accepted',
  labelNames: ['tool'],
  buckets: CALL_BUCKETS,
  registers,
});
export const toolCallOverheadSeconds = new Histogram({
  name: `${PREFIX}tool_call_overhead_seconds`,
  help: 'The part of it that was not spent waiting for the sandbox',
  buckets: ANSWER_BUCKETS,
  registers,
});

export const sandboxesPrepared = new Counter({
  name: `${PREFIX}sandboxes_prepared_total`,
  help: 'Sandboxes made ready, by how: connected, adopted, created, replaced',
  labelNames: ['how'],
  registers,
});
export const sandboxesLost = new Counter({
  name: `${PREFIX}sandboxes_lost_total`,
  help: 'Sandboxes that no longer existed when they were needed',
  registers,
});
export const lateRenewals = new Counter({
  name: `${PREFIX}lease_renewals_late_total`,
  help: 'Leases that were renewed after two thirds of their time',
  registers,
});

export const serviceRequests = new Counter({
  name: `${PREFIX}service_requests_total`,
  help: 'Requests by service (anthropic, e2b, sandbox) and status code; error where none came',
  labelNames: ['service', 'code'],
  registers,
});

export const sessions = new Gauge({
  name: `${PREFIX}sessions`,
  help: 'Sessions with a running workflow by phase',
  labelNames: ['phase'],
  registers,
});
export const sessionsNeedingAttention = new Gauge({
  name: `${PREFIX}sessions_needing_attention`,
  help: 'Sessions that need a person by cause',
  labelNames: ['cause'],
  registers,
});
export const queueDepth = new Gauge({
  name: `${PREFIX}queue_depth`,
  help: 'Work items that wait in the queue of an environment',
  labelNames: ['environment'],
  registers,
});
export const queueAgeSeconds = new Gauge({
  name: `${PREFIX}queue_age_seconds`,
  help: 'Age of the oldest item in the queue of an environment',
  labelNames: ['environment'],
  registers,
});
export const workersPolling = new Gauge({
  name: `${PREFIX}queue_workers_polling`,
  help: 'Workers that have polled the queue within 30 seconds, as the service counts them',
  labelNames: ['environment'],
  registers,
});
export const sandboxes = new Gauge({
  name: `${PREFIX}sandboxes`,
  help: 'Sandboxes of an environment by state',
  labelNames: ['environment', 'state'],
  registers,
});
export const fleetReadAt = new Gauge({
  name: `${PREFIX}fleet_read_timestamp_seconds`,
  help: 'When sessions, queues and sandboxes were last read; 0 where they could not be read yet',
  registers,
});

const TOOLS = new Set(['bash', 'read', 'write', 'edit', 'glob', 'grep']);

/** The name comes from the model. */
export function toolLabel(name: string): string {
  return TOOLS.has(name) ? name : 'other';
}
