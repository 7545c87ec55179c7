// The workers that Temporal sees on a task queue, and what their identity says about them.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Connection } from '@temporalio/client';
import type { Config } from '../config.ts';

/** A poll lasts at most a minute; Temporal lists a poller for five. */
const POLLED_WITHIN_MS = 90_000;
/** `WorkerVersioningMode` of Temporal's API. */
const VERSIONED = 2;
const MARK_CHARS = 6;

export interface Poller {
  identity: string;
  /** Version of the router, if the worker is one. */
  version: string | undefined;
  /** Absent without Worker Versioning. */
  buildId: string | undefined;
  /** Of the settings that all workers of a deployment must share; absent in older versions. */
  marks: SettingsMarks | undefined;
}

/** Short hashes; workers with the same settings have the same ones. */
export interface SettingsMarks {
  environments: string;
  sessions: string;
  limits: string;
}

/** @param taskQueueType 1: workflows, 2: activities */
export async function pollersOf(
  { workflowService }: Connection,
  namespace: string,
  queue: string,
  taskQueueType: 1 | 2,
): Promise<Poller[]> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: queue },
    taskQueueType,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  return pollers
    .filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= since)
    .map(({ identity, deploymentOptions }) => ({
      identity: identity ?? '',
      ...readIdentity(identity ?? ''),
      buildId:
        deploymentOptions?.workerVersioningMode === VERSIONED
          ? (deploymentOptions.buildId ?? undefined)
          : undefined,
    }));
}

/** `doctor` and other workers read it; people see in Temporal's UI which process did what. */
export function identityOf(version: string, marks: SettingsMarks): string {
  const { environments, sessions, limits } = marks;
  return `${process.pid}@${hostname()}/v${version}/${environments}.${sessions}.${limits}`;
}

function readIdentity(identity: string): Pick<Poller, 'version' | 'marks'> {
  const [, version, marks] = /\/v([^/]+)(?:\/([0-9a-f.]+))?$/.exec(identity) ?? [];
  const [environments, sessions, limits] = marks?.split('.') ?? [];
  return {
    version,
    marks: environments && sessions && limits ? { environments, sessions, limits } : undefined,
  };
}

/** Credentials are left out: they may be rotated one worker at a time. */
export function marksOf({ environments }: Pick<Config, 'environments'>): SettingsMarks {
  const sorted = environments.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const mark = (of: (environment: Config['environments'][number]) => unknown) =>
    createHash('sha256')
      .update(JSON.stringify(sorted.map(of)))
      .digest('hex')
      .slice(0, MARK_CHARS);
  return {
    environments: mark(idOf),
    sessions: mark(({ session, stuckCalls, e2b: { apiKey: _, ...e2b } }) => ({ session, stuckCalls, e2b })),
    limits: mark(({ limits }) => limits),
  };
}

const idOf = ({ anthropic }: Config['environments'][number]) => anthropic.environmentId;

const WORDS: Record<keyof SettingsMarks, string> = {
  environments: 'environments',
  sessions: 'settings of sessions and sandboxes',
  limits: 'limits on sandboxes',
};

/**
 * In what workers of one build differ; another build may bring settings of its own.
 * @returns words such as `limits on sandboxes`; empty where all have the same settings
 */
export function settingsThatDiffer(pollers: readonly Pick<Poller, 'buildId' | 'marks'>[]): string[] {
  const differs = (name: keyof SettingsMarks) => {
    const seen = new Map<string | undefined, string>();
    return pollers.some(({ buildId, marks }) => {
      if (!marks) return false;
      const first = seen.get(buildId) ?? marks[name];
      seen.set(buildId, first);
      return first !== marks[name];
    });
  };
  // Other environments have other settings and limits: that goes without saying.
  if (differs('environments')) return [WORDS.environments];
  return (['sessions', 'limits'] as const).filter(differs).map((name) => WORDS[name]);
}
