// What the activities of one environment are made from.
import type { Client } from '@temporalio/client';
import type { AnthropicClients } from '../src/clients/anthropic.ts';
import type { E2BClient } from '../src/clients/e2b.ts';
import type { Sessions } from '../src/clients/sessions.ts';
import type { EnvironmentConfig, HookConfig } from '../src/config.ts';
import type { Logger } from '../src/log.ts';
import type { OutputStore } from '../src/outputs/store.ts';
import type { DeploymentNames } from '../workflows/messages.ts';

export interface Deps {
  anthropic: AnthropicClients;
  e2b: E2BClient;
  /** The session workflows of the environment, by the ids of their sessions. */
  sessions: Sessions;
  /** Of the deployment's task queues and workflows. */
  names: DeploymentNames;
  /** The Temporal client, for the watch's signals and the reconcile's queries. */
  temporal: Client;
  /** The bundled toolhost, for sandboxes that lack it or have an older one. */
  toolhost: { file: string; version: string };
  /** Absent: outputs are not copied. */
  outputs?: OutputStore;
  /** Absent: no hook is called. */
  hook?: HookConfig;
  config: EnvironmentConfig;
  /** Interval of the reconcile. */
  reconcileMs: number;
  log: Logger;
}
