// What the router counts and measures for Prometheus. docs/metrics.md lists every metric; labels have few, fixed values.
import { STATUS_CODES } from 'node:http';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Recent } from './recent.ts';

/** The metrics of each part. A process shows those of the parts that it runs. */
export const registries = { process: new Registry(), webhook: new Registry(), worker: new Registry() };

const PREFIX = 'managed_agents_router_';
/** Seconds: from a short call in a running sandbox to the longest time-out of a call. */
const CALL_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const ANSWER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

export const buildInfo = new Gauge({
  name: `${PREFIX}build_info`,
  help: 'Always 1: the parts of this process (webhook, worker) and their version',
  labelNames: ['part', 'version'],
  registers: [registries.process],
});
export const temporalReady = new Gauge({
  name: `${PREFIX}temporal_ready`,
  help: '1 if Temporal answers and has the namespace, else 0',
  registers: [registries.process],
});

export const deliveries = new Counter({
  name: `${PREFIX}deliveries_total`,
  help: 'Deliveries of webhooks by type of event and outcome',
  labelNames: ['type', 'outcome'],
  registers: [registries.webhook],
});
export const deliverySeconds = new Histogram({
  name: `${PREFIX}delivery_seconds`,
  help: 'Time until a delivery was durable and answered',
  buckets: ANSWER_BUCKETS,
  registers: [registries.webhook],
});
export const refusals = new Counter({
  name: `${PREFIX}requests_refused_total`,
  help: 'Requests that the webhook server refused, by code',
  labelNames: ['code'],
  registers: [registries.webhook],
});

export const toolCalls = new Counter({
  name: `${PREFIX}tool_calls_total`,
  help: 'Tool calls by tool and outcome',
  labelNames: ['tool', 'outcome'],
  registers: [registries.worker],
});
export const toolCallSeconds = new Histogram({
  name: `${PREFIX}tool_call_seconds`,
  help: 'Time from the call being scheduled to its result being accepted',
  labelNames: ['tool'],
  buckets: CALL_BUCKETS,
  registers: [registries.worker],
});
export const toolCallOverheadSeconds = new Histogram({
  name: `${PREFIX}tool_call_overhead_seconds`,
  help: 'The part of it that was not spent waiting for the sandbox',
  buckets: ANSWER_BUCKETS,
  registers: [registries.worker],
});

export const sandboxesPrepared = new Counter({
  name: `${PREFIX}sandboxes_prepared_total`,
  help: 'Sandboxes made ready, by how: connected, adopted, created, replaced',
  labelNames: ['how'],
  registers: [registries.worker],
});
export const sandboxesLost = new Counter({
  name: `${PREFIX}sandboxes_lost_total`,
  help: 'Sandboxes that no longer existed when they were needed',
  registers: [registries.worker],
});
export const lateRenewals = new Counter({
  name: `${PREFIX}lease_renewals_late_total`,
  help: 'Leases that were renewed after two thirds of their time',
  registers: [registries.worker],
});

export const serviceRequests = new Counter({
  name: `${PREFIX}service_requests_total`,
  help: 'Requests by service (anthropic, e2b, sandbox) and status code; error where none came',
  labelNames: ['service', 'code'],
  registers: [registries.worker],
});

export const sessions = new Gauge({
  name: `${PREFIX}sessions`,
  help: 'Sessions with a running workflow by phase',
  labelNames: ['phase'],
  registers: [registries.worker],
});
export const sessionsNeedingAttention = new Gauge({
  name: `${PREFIX}sessions_needing_attention`,
  help: 'Sessions that need a person by cause',
  labelNames: ['cause'],
  registers: [registries.worker],
});
export const queueDepth = new Gauge({
  name: `${PREFIX}queue_depth`,
  help: 'Work items that wait in the queue of an environment',
  labelNames: ['environment'],
  registers: [registries.worker],
});
export const queueAgeSeconds = new Gauge({
  name: `${PREFIX}queue_age_seconds`,
  help: 'Age of the oldest item in the queue of an environment',
  labelNames: ['environment'],
  registers: [registries.worker],
});
export const workersPolling = new Gauge({
  name: `${PREFIX}queue_workers_polling`,
  help: 'Workers that have polled the queue within 30 seconds, as the service counts them',
  labelNames: ['environment'],
  registers: [registries.worker],
});

/** Counts of the last reconcile, by environment. */
export const sandboxCounts = new Recent<{ running: number; paused: number }>();
export const sandboxes = new Gauge({
  name: `${PREFIX}sandboxes`,
  help: 'Sandboxes of an environment by state, as the last reconcile found them',
  labelNames: ['environment', 'state'],
  registers: [registries.worker],
  collect() {
    this.reset();
    for (const [environment, { running, paused }] of sandboxCounts.all()) {
      this.set({ environment, state: 'running' }, running);
      this.set({ environment, state: 'paused' }, paused);
    }
  },
});
export const sandboxesLimit = new Gauge({
  name: `${PREFIX}sandboxes_limit`,
  help: 'Limit of running sandboxes of the E2B account (environment is empty) or of an environment; none where there is no limit',
  labelNames: ['environment'],
  registers: [registries.worker],
});

/** Ids of calls whose result could not be posted at once. */
export const waitingResults = new Recent<true>();
export const resultsWaiting = new Gauge({
  name: `${PREFIX}results_waiting`,
  help: 'Results of tool calls that wait to be posted, as far as this worker has tried to post them within three minutes',
  registers: [registries.worker],
  collect() {
    this.set(waitingResults.all().length);
  },
});

// Prometheus sees no increase in a series that begins above zero, and of these a single one matters.
deliveries.inc({ type: 'session.status_run_started', outcome: 'not_taken' }, 0);
refusals.inc({ code: 'bad_signature' }, 0);
sandboxesPrepared.inc({ how: 'replaced' }, 0);
for (const service of ['anthropic', 'e2b'])
  for (const code of ['401', '403']) serviceRequests.inc({ service, code }, 0);

const TOOLS = new Set(['bash', 'read', 'write', 'edit', 'glob', 'grep']);

/** The name comes from the model. */
export function toolLabel(name: string): string {
  return TOOLS.has(name) ? name : 'other';
}

/** A hostile sandbox can answer any code: only known codes become labels, so their number stays bounded. */
export function codeLabel(code: number): string {
  return STATUS_CODES[code] === undefined ? 'other' : String(code);
}
