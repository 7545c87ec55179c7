// What activities are made from in tests: real clients of the simulators, recorders in Temporal's place.
import type { Info } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { pino } from 'pino';
import type { Deps } from '../../activities/deps.ts';
import { createAnthropic } from '../../src/clients/anthropic.ts';
import { createE2B } from '../../src/clients/e2b.ts';
import type { EnvironmentConfig } from '../../src/config.ts';
import { TOOLHOST_VERSION } from '../../toolhost/version.ts';
import { namesOf, type WorkClaimed } from '../../workflows/messages.ts';
import { TOOLHOST_BUNDLE } from '../toolhost/running-toolhost.ts';

export interface Recorded {
  /** Work items handed to sessions. */
  claimed: ({ sessionId: string } & WorkClaimed)[];
  /** Signals sent by a watch. */
  signals: { name: string; message: unknown }[];
}

interface Simulators {
  anthropic?: { url: string; environmentId: string; environmentKey: string };
  e2b?: { url: string; apiKey: string; template: string };
}

/** Where an activity runs in a test. */
export function activityContext(info: Partial<Info> = {}): MockActivityEnvironment {
  return new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
}

export function testDeps(
  { anthropic, e2b }: Simulators,
  more: Partial<Deps> = {},
): Deps & { recorded: Recorded } {
  const config: EnvironmentConfig = {
    anthropic: {
      baseUrl: anthropic?.url ?? 'http://127.0.0.1:9',
      environmentId: anthropic?.environmentId ?? 'env_none',
      environmentKey: anthropic?.environmentKey ?? 'sk-ant-oat01-none',
    },
    e2b: {
      apiKey: e2b?.apiKey ?? 'e2b_00',
      apiUrl: e2b?.url ?? 'http://127.0.0.1:9',
      sandboxUrl: e2b?.url ?? 'http://127.0.0.1:9',
      template: e2b?.template ?? 'none',
      timeoutMs: 600_000,
      autoResume: true,
      allowInternetAccess: false,
    },
    session: { graceMs: 1000, retentionMs: 3_600_000 },
    stuckCalls: 'run' as const,
    limits: { account: { running: 0, startsPerSecond: 0 }, ofEnvironment: 0 },
  };
  const recorded: Recorded = { claimed: [], signals: [] };
  const handle = {
    signal: async ({ name }: { name: string }, message: unknown) => {
      recorded.signals.push({ name, message });
    },
  };
  const clients = createAnthropic(config);
  // Without a simulator there is a session that brings nothing along.
  const bare = async () => ({ agent: { skills: [] }, resources: [] });
  if (!anthropic) Object.assign(clients.environment.beta.sessions, { retrieve: bare });
  return {
    recorded,
    anthropic: clients,
    e2b: createE2B(config),
    sessions: {
      start: {
        environmentId: config.anthropic.environmentId,
        settings: { ...config.session, searchAttributes: false },
      },
      webhookReceived: async () => undefined,
      unattendedTurnFound: async () => undefined,
      workClaimed: async (sessionId, work) => {
        recorded.claimed.push({ sessionId, ...work });
      },
      webhookReceivedIfRunning: async () => true,
      isWatched: async () => false,
      sessionChangedIfRunning: async () => true,
    },
    names: namesOf(),
    temporal: { workflow: { getHandle: () => handle } } as unknown as Client,
    toolhost: { file: TOOLHOST_BUNDLE, version: TOOLHOST_VERSION },
    config,
    reconcileMs: 300_000,
    log: pino({ level: 'silent' }),
    ...more,
  };
}
