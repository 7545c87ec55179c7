// The Temporal worker: runs workflows and activities, and starts the workflow of each environment.
import { type NativeConnection, Runtime, type WorkerOptions } from '@temporalio/worker';
import { createActivities, type Deps } from '../activities/index.ts';
import { TOOLHOST_VERSION } from '../toolhost/version.ts';
import { ENVIRONMENT_WORKFLOW, inEnvironment, namesOf, type Workflows } from '../workflows/messages.ts';
import { createAnthropic } from './clients/anthropic.ts';
import { createE2B, type E2BClient } from './clients/e2b.ts';
import { identityOf, marksOf } from './clients/pollers.ts';
import type { SearchAttributes } from './clients/search-attributes.ts';
import { createSessions } from './clients/sessions.ts';
import type { Temporal } from './clients/temporal.ts';
import { compareSettings } from './compare-settings.ts';
import type { Config } from './config.ts';
import type { Logger } from './log.ts';
import { createFleetReader } from './metrics/fleet.ts';
import { showLimits } from './metrics/sandbox-limits.ts';
import { countServiceRequests, originsOf } from './metrics/service-requests.ts';
import { reserveTemporalExporter, type TemporalExporter } from './metrics/temporal-exporter.ts';
import { connectNative } from './native-connection.ts';
import { openOutputStore } from './outputs/open-store.ts';
import { projectPath } from './paths.ts';
import { dataConverterOf, workflowBundle } from './payload-codec/data-converter.ts';
import { temporalLogger } from './temporal-log.ts';
import type { TemporalOutage } from './temporal-outage.ts';
import { VERSION } from './version.ts';
import { createWorkerPools, type WorkerPools } from './worker-pools.ts';

export interface RunningWorker {
  /** Resolves when the worker has stopped, rejects if it failed. */
  finished: Promise<void>;
  /** Takes no new work, lets running activities finish for `shutdownGraceMs`, then ends them and waits for the end. */
  stop(): Promise<void>;
  /** Brings the gauges of sessions and queues up to date. */
  refreshMetrics(): Promise<void>;
  /** Metrics of Temporal's native core, as text. */
  temporalMetrics(): Promise<string>;
}

/** Calls of the owner's hook at once: a crowd of sessions must not be a crowd of requests. */
const HOOK_SLOTS = 10;
/** A stop that takes longer says what it waits for. */
const QUICK_STOP_MS = 2_000;
/** How often the server is asked whether it knows the search attributes now. */
const ASK_AGAIN_MS = 60_000;
/** The worker stops without activities that ignore their cancellation for this long. */
const FORCE_AFTER_GRACE_MS = 20_000;

/**
 * Starts a worker and those environment workflows that do not run yet.
 * @param searchAttributes whether the Temporal server knows our search attributes; asked again while it does not
 * @throws Error if Temporal cannot be reached or the output store cannot be opened
 */
export async function startWorker(
  config: Config,
  temporal: Temporal,
  searchAttributes: SearchAttributes,
  log: Logger,
  outage: TemporalOutage,
): Promise<RunningWorker> {
  const exporter = await installRuntime(log, outage, config.admin.host);
  for (const { anthropic } of config.environments)
    await startEnvironmentWorkflow(temporal, config, anthropic.environmentId, searchAttributes.known);
  const connection = await connectNative(config.temporal);
  try {
    const deps = activityDeps(config, temporal, searchAttributes, log);
    const pools = await createPools(config, connection, createActivities(deps));
    const askAgain = setInterval(() => searchAttributes.ask().catch(() => undefined), ASK_AGAIN_MS);
    showLimits(config.environments);
    const stopCounting = countServiceRequests(originsOf(config.environments));
    const stopComparing = compareSettings(temporal.connection, config, log);
    const finished = pools.run().finally(() => {
      clearInterval(askAgain);
      stopCounting();
      stopComparing();
      return connection.close();
    });
    return {
      finished,
      stop: async () => {
        pools.shutdown();
        const waits = setTimeout(() => logWait(log, pools, config.worker.shutdownGraceMs), QUICK_STOP_MS);
        await finished.finally(() => clearTimeout(waits));
      },
      refreshMetrics: createFleetReader({
        temporal: temporal.client,
        names: namesOf(config.deployment),
        environments: new Map(
          deps.map(({ config: { anthropic }, anthropic: { environment } }) => [
            anthropic.environmentId,
            environment,
          ]),
        ),
        log,
      }),
      temporalMetrics: exporter.read,
    };
  } catch (error) {
    await connection.close().catch(() => undefined);
    throw error;
  }
}

function logWait(log: Logger, pools: WorkerPools, graceMs: number): void {
  log.info(
    { running: pools.running() },
    `the worker lets running activities finish for ${graceMs / 1000} s (WORKER_SHUTDOWN_GRACE_SECONDS), then ends them; a second signal ends the process at once`,
  );
}

function createPools(
  { deployment, worker, temporal: { namespace, encryption }, environments }: Config,
  connection: NativeConnection,
  activities: ReturnType<typeof createActivities>,
): Promise<WorkerPools> {
  const { maxToolCalls, maxWatchedSessions, maxActivities, maxCachedWorkflows } = worker;
  return createWorkerPools({
    taskQueue: namesOf(deployment).taskQueue,
    common: {
      connection,
      namespace,
      identity: identityOf(VERSION, marksOf({ environments })),
      ...dataConverterOf(encryption),
      ...(worker.buildId === undefined ? {} : versionOf(deployment, worker.buildId)),
      // An activity learns of its cancellation by a heartbeat, and an interrupt must stop a tool call within seconds.
      maxHeartbeatThrottleInterval: '2s',
      shutdownGraceTime: worker.shutdownGraceMs,
      shutdownForceTime: worker.shutdownGraceMs + FORCE_AFTER_GRACE_MS,
    },
    workflows: {
      workflowBundle: { codePath: workflowBundle(encryption) },
      maxCachedWorkflows,
      // A session stalls for this long after its worker has died; the default of 10 s is too slow for a conversation.
      stickyQueueScheduleToStartTimeout: '5s',
    },
    // Fixed numbers, no resource-based tuner: activities mostly wait for other machines, and a tuner could refuse
    // watches on a busy machine, so that the sessions that make it busy would never be seen to end.
    slots: {
      toolCalls: maxToolCalls,
      short: maxActivities,
      preparation: maxActivities,
      copies: maxActivities,
      hooks: HOOK_SLOTS,
      sessionWatches: maxWatchedSessions,
      // Two for each environment: an attempt that has timed out may keep its slot until it notices.
      queueWatches: 2 * environments.length,
    },
    activities,
  });
}

/** One set of dependencies for each environment; only the Anthropic clients differ between them. */
function activityDeps(config: Config, temporal: Temporal, attributes: SearchAttributes, log: Logger): Deps[] {
  const shared = {
    names: namesOf(config.deployment),
    temporal: temporal.client,
    toolhost: { file: projectPath('bundles/toolhost.mjs'), version: TOOLHOST_VERSION },
    ...(config.hook ? { hook: config.hook } : {}),
    ...(config.outputs ? { outputs: openOutputStore(config.outputs) } : {}),
    reconcileMs: config.worker.reconcileMs,
    log,
  };
  let e2b: E2BClient | undefined;
  return config.environments.map((environment) => {
    e2b ??= createE2B(environment);
    const { environmentId } = environment.anthropic;
    const settings = {
      ...environment.session,
      // Read for each start and message: the server may learn the attributes later.
      get searchAttributes() {
        return attributes.known;
      },
    };
    const sessions = createSessions(temporal.client, { environmentId, settings }, shared.names);
    return { ...shared, e2b, sessions, anthropic: createAnthropic(environment), config: environment };
  });
}

async function startEnvironmentWorkflow(
  { client }: Temporal,
  { deployment, worker: { reconcileMs } }: Config,
  environmentId: string,
  searchAttributes: boolean,
): Promise<void> {
  const names = namesOf(deployment);
  await client.workflow.start<Workflows[typeof ENVIRONMENT_WORKFLOW]>(ENVIRONMENT_WORKFLOW, {
    workflowId: names.environmentWorkflowId(environmentId),
    taskQueue: names.taskQueue,
    args: [{ environmentId, reconcileMs }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `environment ${environmentId}`,
    ...inEnvironment(environmentId, searchAttributes),
  });
}

/** Makes the worker a version of its deployment: each run stays on the build it started on (docs/changing-workflows.md). */
function versionOf(deploymentName: string, buildId: string): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const version = { deploymentName, buildId };
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

let runtime: Promise<TemporalExporter> | undefined;

/** Temporal's native core writes to our log and leaves SIGINT and SIGTERM to us, because they also stop the webhook server. */
function installRuntime(log: Logger, outage: TemporalOutage, adminHost: string): Promise<TemporalExporter> {
  // Beside the admin server, if that is on the loopback interface.
  const host = adminHost.startsWith('127.') ? adminHost : undefined;
  runtime ??= reserveTemporalExporter(host).then((exporter) => {
    Runtime.install({
      shutdownSignals: [],
      logger: temporalLogger(log, outage),
      telemetryOptions: {
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        metrics: { prometheus: { bindAddress: exporter.bindAddress } },
      },
    });
    return exporter;
  });
  return runtime;
}
