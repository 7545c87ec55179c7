// Checks of the workers that Temporal sees: which poll, which versions they are, and whether their build is current.
import type { Connection } from '@temporalio/client';
import { namesOf } from '../../../workflows/messages.ts';
import { POOLS, type Pool, taskQueueOf } from '../../../workflows/task-queues.ts';
import { type Poller, pollersOf, settingsThatDiffer } from '../../clients/pollers.ts';
import { routerCommand } from '../../program-name.ts';
import { VERSION } from '../../version.ts';
import { countPolling, describeOthers, type QueueAccess, STOP_OTHERS } from '../other-workers.ts';
import { type Check, type Finding, NotChecked, ok, once, problem, warning } from './check.ts';

const AREA = 'worker';
const MAX_SHOWN = 5;
/** A worker without a hook has no such activities. */
const OPTIONAL: ReadonlySet<Pool> = new Set(['hooks']);
/** `TaskQueueType` of Temporal's API. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** Asks Temporal a question. @throws NotChecked if Temporal does not answer */
export type AskTemporal = <T>(question: (connection: Connection) => Promise<T>) => Promise<T>;

export function workerChecks(
  ask: AskTemporal,
  namespace: string,
  deployment: string,
  queues: readonly QueueAccess[],
): Check[] {
  const { taskQueue } = namesOf(deployment);
  const ofWorkflows = once(() => ask((connection) => pollersOf(connection, namespace, taskQueue, WORKFLOW)));
  return [
    {
      area: AREA,
      name: 'polling',
      run: async () => {
        const pollers = await ofWorkflows();
        const pools = (Object.keys(POOLS) as Pool[]).filter((pool) => !OPTIONAL.has(pool));
        const queues = pools.map((pool) => taskQueueOf(pool, taskQueue));
        const unserved: string[] = [];
        for (const queue of queues) {
          const polling = await ask((connection) => pollersOf(connection, namespace, queue, ACTIVITY));
          if (polling.length === 0) unserved.push(queue);
        }
        return pollingFinding(pollers, unserved, taskQueue);
      },
    },
    { area: AREA, name: 'version', run: async () => versionFinding(await ofWorkflows()) },
    ...queues.map((queue) => ({
      area: AREA,
      name: `other deployments at ${queue.id}`,
      run: async () => othersFinding(queue.id, await countPolling(queue), await ofWorkflows()),
    })),
    { area: AREA, name: 'same settings', run: async () => settingsFinding(await ofWorkflows(), deployment) },
    {
      area: AREA,
      name: 'build',
      run: async () => {
        const builds = new Set((await ofWorkflows()).flatMap(({ buildId }) => buildId ?? []));
        if (builds.size === 0) return ok('Worker Versioning is off: WORKER_BUILD_ID is not set');
        const current = await ask((connection) => currentBuild(connection, namespace, deployment));
        return buildFinding(deployment, [...builds], current);
      },
    },
  ];
}

function pollingFinding(pollers: readonly Poller[], unserved: readonly string[], taskQueue: string): Finding {
  if (pollers.length === 0)
    return problem(
      `no worker polls ${taskQueue}: no session goes on`,
      `${routerCommand('worker')} (or start), with the same TEMPORAL_* and ROUTER_DEPLOYMENT`,
    );
  if (unserved.length > 0)
    return problem(`no worker polls ${unserved.join(', ')}`, 'restart the worker; its log says what failed');
  const shown = pollers.slice(0, MAX_SHOWN).map(({ identity }) => identity);
  const more = pollers.length > MAX_SHOWN ? ` and ${pollers.length - MAX_SHOWN} more` : '';
  return ok(`${pollers.length} on ${taskQueue}: ${shown.join(', ')}${more}`);
}

/** @param polling undefined if it is not known */
function othersFinding(id: string, polling: number | undefined, pollers: readonly Poller[]): Finding {
  if (polling === undefined) throw new NotChecked('the queue does not say how many workers poll it');
  const others = describeOthers(id, polling, pollers.length);
  return others ? warning(others, STOP_OTHERS) : ok(`none polls the queue of ${id}`);
}

function versionFinding(pollers: readonly Poller[]): Finding {
  if (pollers.length === 0) return { verdict: 'not checked', text: 'no worker polls' };
  const versions = [...new Set(pollers.map(({ version = 'unknown' }) => version))];
  const text = `workers have version ${versions.join(', ')}`;
  if (versions.every((version) => version === VERSION)) return ok(text);
  return warning(
    `${text}; this is ${VERSION}`,
    'bring all processes to one version, unless an upgrade is under way',
  );
}

function settingsFinding(pollers: readonly Poller[], deployment: string): Finding {
  if (pollers.length === 0) return { verdict: 'not checked', text: 'no worker polls' };
  const differ = settingsThatDiffer(pollers);
  if (differ.length === 0) return ok('all workers have the same settings');
  return warning(
    `workers of ${deployment} have different settings: ${differ.join(', ')}`,
    'give each router a ROUTER_DEPLOYMENT of its own, or all workers the same settings, unless new settings are being rolled out',
  );
}

/** @returns undefined if no build was made current */
async function currentBuild(
  { workflowService }: Connection,
  namespace: string,
  deploymentName: string,
): Promise<string | undefined> {
  const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({
    namespace,
    deploymentName,
  });
  return workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId ?? undefined;
}

function buildFinding(deployment: string, builds: readonly string[], current: string | undefined): Finding {
  const setCurrent = (build: string) =>
    `temporal worker deployment set-current-version --deployment-name ${deployment} --build-id ${build}`;
  const seen = `workers of build ${builds.join(', ')} poll`;
  if (current === undefined)
    return problem(
      `${seen}, but no build is current: none receives new sessions`,
      setCurrent(builds[0] ?? ''),
    );
  if (!builds.includes(current))
    return problem(
      `build ${current} is current, but only ${seen}`,
      `start workers with WORKER_BUILD_ID=${current}, or: ${setCurrent(builds[0] ?? '')}`,
    );
  return ok(`${seen}; ${current} is current`);
}
