/** Control plane: logs and metrics of sandboxes. */
import type { FastifyInstance } from 'fastify';
import { callAgent } from './agent-client.ts';
import { ApiError, notFound } from './api-error.ts';
import { LEVELS, type Level, type LogQuery, type SandboxLogs } from './logs.ts';
import { LIMITS } from './machines.ts';
import type { SandboxRecord } from './record.ts';
import { readSandboxId } from './sandbox-id.ts';

interface ById {
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}

interface ObservationOptions {
  logs: SandboxLogs;
  /** Throws a 404 for an unknown sandbox. */
  get(id: string): SandboxRecord;
  find(id: string): SandboxRecord | undefined;
}

interface Measured {
  ts: number;
  cpu_count: number;
  cpu_used_pct: number;
  mem_used: number;
  disk_used: number;
  disk_total: number;
}

const MAX_LOGS = 1_000;
const MAX_SAMPLES = 500;
/** Maximum number of sandboxes in one metrics request. */
const MAX_MEASURED = 100;

/** Log messages by route and status of the answer. */
const CHANGES: Record<string, string> = {
  'DELETE /sandboxes/:id 204': 'sandbox killed',
  'POST /sandboxes/:id/pause 204': 'sandbox paused',
  'POST /sandboxes/:id/connect 201': 'sandbox resumed',
  'POST /sandboxes/:id/connect 200': 'sandbox connected',
  'PUT /sandboxes/:id/network 204': 'network set',
  'POST /sandboxes/:id/timeout 204': 'time-out set',
};

export function addObservationRoutes(app: FastifyInstance, { logs, get, find }: ObservationOptions): void {
  const samples = new Map<string, Record<string, unknown>[]>();
  const fault = (name: string) => ({ config: { fault: name } });

  app.addHook('onSend', async (request, reply, payload) => {
    const route = `${request.method} ${request.routeOptions.url?.replace(/^\/v2/, '')} ${reply.statusCode}`;
    const { id } = request.params as { id?: string };
    if (id && CHANGES[route]) logs.add(readSandboxId(id), 'info', CHANGES[route]);
    if (route === 'POST /sandboxes 201') {
      const { sandboxID } = JSON.parse(String(payload)) as { sandboxID: string };
      logs.add(sandboxID, 'info', 'sandbox started');
    }
    return payload;
  });

  const read = (id: string, query: LogQuery) => {
    const entries = logs.read(id, query);
    if (!entries) throw notFound(id);
    return entries;
  };
  app.get<ById>('/v2/sandboxes/:id/logs', fault('sandbox.logs'), async ({ params, query }) => ({
    logs: read(readSandboxId(params.id), {
      cursor: number('cursor', query.cursor),
      backward: query.direction === 'backward',
      level: levelOf(query.level),
      search: query.search,
      limit: Math.min(number('limit', query.limit) ?? MAX_LOGS, MAX_LOGS),
    }),
  }));
  app.get<ById>('/sandboxes/:id/logs', fault('sandbox.logs'), async ({ params, query }) => {
    const cursor = number('start', query.start);
    const logEntries = read(readSandboxId(params.id), {
      cursor,
      limit: number('limit', query.limit) ?? MAX_LOGS,
    });
    const line = ({ level, message, fields }: (typeof logEntries)[number]) =>
      JSON.stringify({ level, message, logger: 'envd', ...fields });
    return {
      logs: logEntries.map((entry) => ({ timestamp: entry.timestamp, line: line(entry) })),
      logEntries,
    };
  });

  const addSample = async (record: SandboxRecord) => {
    const kept = samples.get(record.id) ?? [];
    if (record.state === 'running') kept.push(await measure(record));
    samples.set(record.id, kept.slice(-MAX_SAMPLES));
    return kept;
  };
  app.get<{ Querystring: { sandbox_ids?: string | string[] } }>(
    '/sandboxes/metrics',
    fault('sandbox.metrics'),
    async ({ query }) => {
      const ids = new Set([query.sandbox_ids ?? []].flat().flatMap((text) => text.split(',')));
      ids.delete('');
      if (ids.size === 0) throw new ApiError(400, 'sandbox_ids is required');
      if (ids.size > MAX_MEASURED)
        throw new ApiError(400, `sandbox_ids may name ${MAX_MEASURED} sandboxes, not ${ids.size}`);
      const latest = async (id: string) => {
        const record = find(id);
        if (record?.state !== 'running') return [];
        const sample = await addSample(record).then(
          (kept) => kept.at(-1),
          () => undefined,
        );
        return sample ? [[id, sample] as const] : [];
      };
      return { sandboxes: Object.fromEntries((await Promise.all([...ids].map(latest))).flat()) };
    },
  );
  app.get<ById>('/sandboxes/:id/metrics', fault('sandbox.metrics'), async ({ params, query }) => {
    const record = get(readSandboxId(params.id));
    const start = number('start', query.start) ?? 0;
    const end = number('end', query.end) ?? Number.POSITIVE_INFINITY;
    if (start > end) throw new ApiError(400, 'start must not be after end');
    const kept = await addSample(record);
    return kept.filter(({ timestampUnix }) => Number(timestampUnix) >= start && Number(timestampUnix) <= end);
  });
}

/** Measures on request only: the simulator does not sample in the background. */
async function measure({ dir }: SandboxRecord): Promise<Record<string, unknown>> {
  const measured = (await callAgent(dir, 'GET', '/metrics')) as Measured;
  return {
    timestamp: new Date(measured.ts * 1000).toISOString(),
    timestampUnix: measured.ts,
    cpuCount: measured.cpu_count,
    cpuUsedPct: measured.cpu_used_pct,
    memTotal: LIMITS.memoryBytes,
    memUsed: measured.mem_used,
    memCache: 0,
    diskTotal: measured.disk_total,
    diskUsed: measured.disk_used,
  };
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new ApiError(400, `${name} must be a number, not ${text}`);
}

function levelOf(text: string | undefined): Level | undefined {
  if (text === undefined || (LEVELS as readonly string[]).includes(text)) return text as Level | undefined;
  throw new ApiError(400, `level must be one of ${LEVELS.join(', ')}, not ${text}`);
}
