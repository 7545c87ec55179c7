// The shape of the configuration, in the units that the code uses.
import type { ClientConnectConfig } from '@temporalio/envconfig';
import type { OutputsConfig } from '../outputs/store.ts';
import type { EncryptionConfig } from '../payload-codec/key-ring.ts';

export interface E2BConfig {
  apiKey: string;
  apiUrl?: string;
  sandboxUrl?: string;
  domain?: string;
  template: string;
  /** Milliseconds without contact after which E2B pauses a sandbox. */
  timeoutMs: number;
  autoResume: boolean;
  allowInternetAccess: boolean;
}

/** The configuration of one environment that the router serves. */
export interface EnvironmentConfig {
  anthropic: { baseUrl?: string; environmentId: string; environmentKey: string };
  e2b: E2BConfig;
  session: {
    graceMs: number;
    retentionMs: number;
    limited?: true;
    claimsPerMinute?: number;
    /** Which sessions share a sandbox; absent: each session has its own. */
    scope?: 'agent' | 'environment';
    copyOutputs?: true;
    /** Time without progress after which a session counts as stuck; absent: never. */
    stuckMs?: number;
    /** The owner's hook is called. */
    hook?: true;
  };
  /** What to do with an orphaned tool call (no work item, no stored result); see `session.stuckCalls`. */
  stuckCalls: 'run' | 'answer' | 'interrupt';
  limits: {
    /** Limits of the E2B account, across all environments. 0 = unlimited. */
    account: { running: number; startsPerSecond: number };
    /** Maximum number of running sandboxes of this environment. 0 = unlimited. */
    ofEnvironment: number;
  };
}

/** The owner's hook. */
export interface HookConfig {
  url: string;
  /** At least one; calls are signed with each. */
  secrets: string[];
}

/** Where spans are sent, in OpenTelemetry's words. */
export interface TracesConfig {
  /** Base URL; `/v1/traces` is added. Absent: no spans are made. */
  endpoint?: string;
  /** `name=value`, separated by commas. */
  headers?: string;
  serviceName: string;
  /** Part of the sessions that is traced, from 0 to 1. */
  sampleRatio: number;
}

export interface Config {
  /** Name of the deployment; its task queues, workflow ids and Worker Deployment start with it. */
  deployment: string;
  /** At least one environment, with distinct ids. */
  environments: EnvironmentConfig[];
  temporal: {
    connectionOptions: TemporalConnectionOptions;
    namespace: string;
    /** Of the embedded server, while it runs; that of another server is not known. */
    uiUrl?: string;
    encryption?: EncryptionConfig;
  };
  /** Where metrics, liveness and readiness are served. */
  admin: { host: string; port: number };
  traces: TracesConfig;
  webhook: { host: string; port: number; signingKeys: string[]; signingKeyFile?: string };
  /** Absent if outputs are not copied. */
  outputs?: OutputsConfig;
  /** Absent if no hook is called. */
  hook?: HookConfig;
  worker: {
    /** Slots of the worker's pools (workflows/task-queues.ts). */
    maxToolCalls: number;
    maxWatchedSessions: number;
    maxActivities: number;
    maxCachedWorkflows: number;
    buildId?: string;
    reconcileMs: number;
    shutdownGraceMs: number;
  };
  logLevel: string;
  /** What is probably a mistake although it is valid: misspelt and unused variables. */
  warnings: string[];
  /** Values that must never be shown. */
  secrets: string[];
}

/** The configuration of the webhook server alone: it has neither an E2B key nor an environment key. */
export type WebhookConfig = Pick<
  Config,
  'admin' | 'deployment' | 'temporal' | 'traces' | 'webhook' | 'logLevel' | 'warnings' | 'secrets'
> & {
  /** The environment of every session; empty if several are served, because a webhook does not name it. */
  environmentId: string;
  session: EnvironmentConfig['session'];
};

export type TemporalConnectionOptions = ClientConnectConfig['connectionOptions'] & { address: string };

/** The configuration as far as it can be used, with everything that is wrong with it. */
export interface Inspection {
  problems: string[];
  warnings: string[];
  configFile?: string;
  /** Absent if the file cannot be read at all. */
  usable?: {
    deployment: string;
    temporal: Config['temporal'];
    anthropicUrl?: string;
    /** Template where an environment names none of its own. */
    template: string;
    /** Without those that have no valid id; `key` is absent if it is not set or of the wrong kind. */
    environments: { id: string; key?: string; template: string; allowInternetAccess: boolean }[];
    e2b: {
      apiKey?: string | undefined;
      apiUrl?: string | undefined;
      sandboxUrl?: string | undefined;
      domain?: string | undefined;
      maxRunningSandboxes: number;
    };
    webhook: Config['webhook'];
    outputs?: Config['outputs'];
  };
  /** Values that must never be shown. */
  secrets: string[];
}
