// The shape of the configuration, in the units that the code uses.
import type { ClientConnectConfig } from '@temporalio/envconfig';
import type { OutputsConfig } from '../outputs/store.ts';

export interface E2BConfig {
  apiKey: string;
  apiUrl?: string;
  sandboxUrl?: string;
  domain?: string;
  template: string;
  /** Milliseconds that a sandbox outlives the last contact before E2B pauses it. */
  timeoutMs: number;
  autoResume: boolean;
  allowInternetAccess: boolean;
}

/** One environment that the router serves, and how. */
export interface EnvironmentConfig {
  anthropic: { baseUrl?: string; environmentId: string; environmentKey: string };
  e2b: E2BConfig;
  session: {
    graceMs: number;
    retentionMs: number;
    limited?: true;
    claimsPerMinute?: number;
    /** Whose sessions share a sandbox; absent: each has its own. */
    scope?: 'agent' | 'environment';
    copyOutputs?: true;
  };
  /**
   * What becomes of a call that waits for its result while no work item covers it and the sandbox holds none: it is
   * run, it is answered with an error, or the turn is interrupted.
   */
  stuckCalls: 'run' | 'answer' | 'interrupt';
  limits: {
    /** Of the account, over all environments; 0: none. */
    account: { running: number; startsPerSecond: number };
    /** Running sandboxes of this environment; 0: no limit of its own. */
    ofEnvironment: number;
  };
}

export interface Config {
  /** Name of the deployment: of its task queues, workflow ids and Worker Deployment. */
  deployment: string;
  /** At least one; each id once. */
  environments: EnvironmentConfig[];
  temporal: { connectionOptions: TemporalConnectionOptions; namespace: string };
  webhook: { host: string; port: number; signingKeys: string[]; signingKeyFile?: string };
  /** Absent: outputs are not copied. */
  outputs?: OutputsConfig;
  worker: {
    /** Slots of its pools (workflows/task-queues.ts). */
    maxToolCalls: number;
    maxWatchedSessions: number;
    maxActivities: number;
    maxCachedWorkflows: number;
    buildId?: string;
    reconcileMs: number;
    shutdownGraceMs: number;
  };
  logLevel: string;
  /** Values that must never be shown. */
  secrets: string[];
}

/** What the webhook server alone needs: neither an E2B key nor a key of an environment. */
export type WebhookConfig = Pick<Config, 'deployment' | 'temporal' | 'webhook' | 'logLevel' | 'secrets'> & {
  /** The environment of every session; empty where several are served, for a webhook does not name it. */
  environmentId: string;
  session: EnvironmentConfig['session'];
};

export type TemporalConnectionOptions = ClientConnectConfig['connectionOptions'] & { address: string };
