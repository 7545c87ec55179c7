// Sessions' workflows on a real Temporal server, from the production bundle, with activities that each test scripts
// and whose calls are recorded: what a workflow asks for, in which order, whatever its activities answer.
import { Context } from '@temporalio/activity';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createRestSession } from '../../activities/session/rest-session.ts';
import { until } from '../../harness/until.ts';
import { createSessions } from '../../src/clients/sessions.ts';
import { projectPath } from '../../src/paths.ts';
import { createWorkerPools } from '../../src/worker-pools.ts';
import type { Activities } from '../../workflows/contract.ts';
import {
  type OpenCall,
  type SessionChange,
  type SessionSettings,
  type SessionStatus,
  sessionChangedSignal,
  sessionWorkflowId,
  statusQuery,
  TASK_QUEUE,
  type ToolCallsClosed,
  toolCallsClosedSignal,
  toolCallsRequestedSignal,
} from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { newNamespace } from '../temporal-namespace.ts';

export type ActivityName = keyof Activities;
/** A scripted activity; it may do to its session what a client or the service would do meanwhile. */
type Scripted = { [Name in ActivityName]: (args: Args<Name>, session: Session) => Promise<Result<Name>> };
export type Script = Partial<Scripted>;
export type Args<Name extends ActivityName> = Parameters<Activities[Name]>[0];
type Result<Name extends ActivityName> = Awaited<ReturnType<Activities[Name]>>;

export interface Session {
  id: string;
  handle: WorkflowHandle;
  /** Activities asked for so far, oldest first; attempts count. */
  called: { name: ActivityName; args: unknown }[];
  names(): ActivityName[];
  /** Answers an activity as the script of the session says. */
  perform<Name extends ActivityName>(name: Name, args: Args<Name>): Promise<Result<Name>>;
  argsOf<Name extends ActivityName>(name: Name): Args<Name>[];
  /** A webhook came: starts the workflow if there is none. */
  webhookReceived(eventId?: string): Promise<void>;
  /** An item was taken from the queue: starts the workflow if there is none. */
  claimed(workId: string, sealedSecret?: string | null): Promise<void>;
  opened(...calls: OpenCall[]): Promise<void>;
  interrupted(message: ToolCallsClosed): Promise<void>;
  changed(change: SessionChange): Promise<void>;
  /** The turn is over. */
  idle(): Promise<void>;
  status(): Promise<SessionStatus>;
  /** Waits until the activity was asked for so many times. */
  untilCalled(name: ActivityName, times?: number): Promise<void>;
  untilPhase(phase: string): Promise<void>;
}

export interface SessionWorld {
  client: Client;
  session(script?: Script, settings?: Partial<SessionSettings>): Session;
  close(): Promise<void>;
}

export const call = (id: string, more: Partial<OpenCall> = {}): OpenCall => ({
  id,
  name: 'bash',
  preview: `echo ${id}`,
  ...more,
});

/** Everything goes well. */
const GOOD: Scripted = {
  claimWork: async () => ({ claimed: 0 }),
  watchQueue: async () => ({ claimed: 0 }),
  stopWork: async () => undefined,
  inspectSession: async () => ({ ours: true, live: false, ended: null, orphanedCalls: [] }),
  requestSlot: async () => undefined,
  requestSharedSandbox: async () => ({ workflowId: 'sandbox-env_1' }),
  prepareSharedSandbox: async () => ({ sandboxId: 'ishared1', how: 'created' }),
  enterSharedSandbox: async ({ sandboxId }) => ({ sandboxId, how: 'connected' }),
  endSessionProcesses: async () => 'ended',
  killSandboxes: async () => [],
  findEndedWorkflows: async () => [],
  callHook: async () => undefined,
  findSession: async () => ({ ours: false, live: false, ended: null, orphanedCalls: [] }),
  postResult: async () => ({ outcome: 'accepted' }),
  checkSession: async () => ({ lease: null, moved: false }),
  watchSession: async () => watchUntilRecalled(),
  prepareSandbox: async ({ sandboxId }) =>
    sandboxId ? { sandboxId, how: 'connected' } : { sandboxId: 'isandbox1', how: 'created' },
  pauseSandbox: async () => 'paused',
  // The product's own, around the parts that a test scripts.
  restSession: (args, it) =>
    createRestSession({
      stopWork: (item) => it.perform('stopWork', item),
      inspectSession: (session) => it.perform('inspectSession', session),
      pauseSandbox: (sandbox) => it.perform('pauseSandbox', sandbox),
    }).restSession(args),
  runToolCall: async () => ({ outcome: 'done' }),
  cancelToolCall: async () => undefined,
  interruptSession: async () => ({ outcome: 'posted' }),
  syncMemory: async () => ({ outcome: 'synced', problems: [] }),
  copyOutputs: async () => ({ outcome: 'copied', target: '/outputs', files: 1, bytes: 1, problems: [] }),
  reconcile: async () => [],
};

/** What the watch does while nothing happens: it holds the lease until it is recalled. */
export async function watchUntilRecalled(): Promise<Result<'watchSession'>> {
  const lease = { lastHeartbeat: '2026-01-01T00:00:00.000001Z', ttlSeconds: 60 };
  await untilCancelled();
  return { why: 'recalled', lease };
}

/** Resolves when the activity that calls it is cancelled. */
export async function untilCancelled(): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 50);
  await context.cancelled.catch(() => undefined).finally(() => clearInterval(beat));
}

/** One worker for all sessions of a test file. */
export async function startSessionWorld(): Promise<SessionWorld> {
  quietTemporal();
  const namespace = await newNamespace();
  const connection = await NativeConnection.connect(namespace.config.connectionOptions);
  const sessions = new Map<string, Session>();
  const scripted = Object.keys(GOOD).map((name) => [
    name,
    async (args: never) => {
      const session = sessions.get(Context.current().info.workflowExecution?.workflowId ?? '');
      if (!session) throw new Error('no session of this test asked for it');
      return session.perform(name as ActivityName, args);
    },
  ]);
  const pools = await createWorkerPools({
    taskQueue: TASK_QUEUE,
    common: {
      connection,
      namespace: namespace.config.namespace,
      maxHeartbeatThrottleInterval: '50ms',
      shutdownGraceTime: '100ms',
      shutdownForceTime: '2s',
    },
    workflows: { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    activities: Object.fromEntries(scripted),
  });
  const running = pools.run();
  return {
    client: namespace.client,
    session: (script = {}, settings = {}) => {
      const usual = { graceMs: 60_000, retentionMs: 3_600_000, searchAttributes: false };
      const start = { environmentId: 'env_1', settings: { ...usual, ...settings } };
      const id = `sesn_${sessions.size + 1}`;
      const handle = namespace.client.workflow.getHandle(sessionWorkflowId(id));
      const clients = createSessions(namespace.client, start);
      const session = openSession(id, handle, clients, { ...GOOD, ...script });
      sessions.set(handle.workflowId, session);
      return session;
    },
    close: async () => {
      for (const session of sessions.values()) await session.handle.terminate().catch(() => undefined);
      pools.shutdown();
      await running;
      await connection.close();
      await namespace.close();
    },
  };
}

function openSession(
  id: string,
  handle: WorkflowHandle,
  sessions: ReturnType<typeof createSessions>,
  script: Scripted,
): Session {
  const called: Session['called'] = [];
  const names = () => called.map(({ name }) => name);
  const status = () => handle.query(statusQuery);
  let wakes = 0;
  let idles = 0;
  const session: Session = {
    id,
    handle,
    called,
    names,
    perform: (name, args) => {
      called.push({ name, args });
      return script[name](args, session);
    },
    argsOf: (name) => called.filter((one) => one.name === name).map(({ args }) => args as never),
    webhookReceived: (eventId = `whe_${++wakes}`) =>
      sessions.webhookReceived(id, { eventId, type: 'session.status_run_started' }),
    claimed: (workId, sealedSecret = null) => sessions.workClaimed(id, { workId, sealedSecret }),
    opened: (...calls) => handle.signal(toolCallsRequestedSignal, { calls }),
    interrupted: (message) => handle.signal(toolCallsClosedSignal, message),
    changed: (change) => handle.signal(sessionChangedSignal, change),
    idle: () =>
      handle.signal(sessionChangedSignal, {
        eventId: `sevt_idle_${++idles}`,
        change: 'idle',
        reason: 'end_turn',
      }),
    status,
    untilCalled: async (name, times = 1) => {
      const enough = async () => names().filter((one) => one === name).length >= times;
      await until(`${name} is asked for ${times} times`, enough, 20_000);
    },
    untilPhase: async (phase) => {
      await until(`the session is ${phase}`, async () => (await status()).phase === phase, 20_000);
    },
  };
  return session;
}
