// Sessions in many kinds of trouble, side by side, each made by a real fault: `sessions show` names the cause of each,
// since when it lasts, and what would move it, in its first three lines, with the Temporal settings alone.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import Anthropic from '@anthropic-ai/sdk';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { CommandError } from '../../src/cli/command.ts';
import { Output } from '../../src/cli/output.ts';
import { showSession } from '../../src/cli/sessions/show.ts';
import { projectPath } from '../../src/paths.ts';
import {
  drainUpdate,
  namesOf,
  pauseUpdate,
  SESSION_WORKFLOW,
  statusQuery,
  webhookReceivedSignal,
} from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 150_000 });

const DEPLOYMENT = `show-${process.pid}`;
const PINNED = `${DEPLOYMENT}-pinned`;
const OTHER_BUILD = `${DEPLOYMENT}-other-build`;

let world: World;
let dir: string;
let temporalAddress: string;
const environments: Record<string, string> = {};
const keys: Record<string, string> = {};

beforeAll(async () => {
  quietTemporal();
  dir = await mkdtemp(join(tmpdir(), 'sessions-show-'));
  temporalAddress = inject('temporalAddress');
  world = await startTestWorld({
    temporal: { address: temporalAddress },
    deployment: DEPLOYMENT,
    graceSeconds: 1,
    settings: async ({ anthropic }, admin) => {
      const client = new Anthropic({ apiKey: anthropic.apiKey, baseURL: anthropic.url });
      for (const name of ['refused', 'template', 'slots', 'stolen', 'drained', 'pinned', 'stranger']) {
        const { id } = await client.beta.environments.create({ name, config: { type: 'self_hosted' } });
        const { key } = (await admin('anthropic', 'POST', `environments/${id}/keys`)) as { key: string };
        environments[name] = id;
        keys[`KEY_OF_${name.toUpperCase()}`] = key;
      }
      const file = join(dir, 'managed-agents-router.json');
      const of = (name: string, more: object = {}) => ({
        id: environments[name],
        key: `\${env:KEY_OF_${name.toUpperCase()}}`,
        ...more,
      });
      const list = [
        { id: anthropic.environmentId, key: '${env:ANTHROPIC_ENVIRONMENT_KEY}' },
        of('refused'),
        of('template', { sandbox: { template: 'no-such-template' } }),
        of('slots', { maxRunningSandboxes: 1 }),
        of('stolen'),
        of('drained'),
      ];
      await writeFile(file, JSON.stringify({ environments: list }));
      return { ROUTER_CONFIG_FILE: file, ANTHROPIC_ENVIRONMENT_ID: '', ...keys };
    },
  });
});
afterAll(async () => {
  await world?.close();
  await rm(dir, { recursive: true, force: true });
});

interface Shown {
  /** The first three lines. */
  lines: string[];
  all: string;
}

/** In this process: starting one for each of the many questions takes longer than all faults. */
async function show(sessionId: string, deployment = DEPLOYMENT): Promise<Shown> {
  let all = '';
  const out = Object.assign(new PassThrough(), { columns: 80 });
  out.on('data', (chunk) => {
    all += chunk;
  });
  const access = {
    ...world.temporal,
    namespace: 'default',
    address: temporalAddress,
    encryption: undefined,
    names: namesOf(deployment),
  };
  await showSession(access, sessionId, new Output(false, out as never, out as never)).catch((error) => {
    // No message of it has arrived yet.
    if (!(error instanceof CommandError)) throw error;
  });
  return { lines: all.split('\n').slice(0, 3), all };
}

/** As a process, with the Temporal settings alone. */
const showCommand = (sessionId: string, ...more: string[]) =>
  runCommand(['sessions', 'show', sessionId, ...more], {
    TEMPORAL_ADDRESS: temporalAddress,
    ROUTER_DEPLOYMENT: DEPLOYMENT,
  });

/** Asks again until the first lines say so: a fault takes effect a little later. */
async function untilShown(sessionId: string, waiting: RegExp, cure: RegExp, deployment?: string) {
  let shown: Shown | undefined;
  await until(
    `${sessionId} is shown as ${waiting}`,
    async () => {
      shown = await show(sessionId, deployment);
      return waiting.test(shown.lines[0] ?? '');
    },
    60_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; shown: ${shown?.all}`);
  });
  const [first, since, last] = shown?.lines ?? [];
  expect(first).toMatch(/^Waiting for {3}/);
  expect(since).toMatch(/^Since {9}.*\(\d{4}-\d\d-\d\dT/);
  expect(last).toMatch(/^To move it {4}/);
  expect(last).toMatch(cure);
  return shown as Shown;
}

const fault = (of: 'anthropic' | 'e2b', rule: object) => world.admin(of, 'POST', 'faults', rule);
const send = (id: string, text: string) => sendMessage(world.anthropic, id, text);
const start = async (text: string, environment?: string) => {
  const id = await openSession(world, environment);
  await send(id, text);
  return id;
};
const handleOf = (id: string, deployment = DEPLOYMENT) =>
  world.temporal.client.workflow.getHandle(namesOf(deployment).sessionWorkflowId(id));
const untilRuns = (id: string, deployment?: string) =>
  until(`a call of ${id} runs`, async () => {
    const status = await handleOf(id, deployment)
      .query(statusQuery)
      .catch(() => null);
    return status?.openCalls.some(({ state }) => state === 'running');
  });

/** Settings of a worker that serves one environment in a deployment of its own. */
const alone = (deployment: string) => ({
  ROUTER_CONFIG_FILE: '',
  ROUTER_DEPLOYMENT: deployment,
  ANTHROPIC_ENVIRONMENT_ID: environments.pinned as string,
  ANTHROPIC_ENVIRONMENT_KEY: keys.KEY_OF_PINNED as string,
});

it('names the history of other workflows', async () => {
  const connection = await NativeConnection.connect({ address: temporalAddress });
  const other = await Worker.create({
    connection,
    taskQueue: OTHER_BUILD,
    workflowBundle: await bundleWorkflowCode({
      workflowsPath: projectPath('test/fixtures/other-build/workflows.ts'),
      logger: new DefaultLogger('ERROR'),
    }),
  });
  const workflow = await other.runUntil(async () => {
    const handle = await world.temporal.client.workflow.start(SESSION_WORKFLOW, {
      workflowId: namesOf(OTHER_BUILD).sessionWorkflowId('sesn_other_build'),
      taskQueue: OTHER_BUILD,
      args: [],
    });
    await until('its timer is started', async () =>
      (await handle.fetchHistory()).events?.some((event) => event.timerStartedEventAttributes),
    );
    return handle;
  });
  await connection.close();
  const worker = await world.addWorker(alone(OTHER_BUILD));
  await workflow.signal(webhookReceivedSignal, { eventId: 'whe_1', type: 'session.status_run_started' });
  await untilShown(
    'sesn_other_build',
    /a worker of the build that began its history/,
    /earlier build/,
    OTHER_BUILD,
  );
  await workflow.terminate();
  await worker.stop();
});

it('names the build that has no worker any more', async () => {
  const setCurrent = async (buildId: string) => {
    const request = { namespace: 'default', deploymentName: PINNED, buildId, identity: 'test' };
    await until(`${buildId} is the current version`, () =>
      world.temporal.connection.workflowService.setWorkerDeploymentCurrentVersion(request).then(
        () => true,
        () => false,
      ),
    );
  };
  const worker = await world.addWorker({ ...alone(PINNED), WORKER_BUILD_ID: 'one' });
  await setCurrent('one');
  const id = await start(script([bash('sleep 300')]), environments.pinned);
  await untilRuns(id, PINNED);
  await worker.kill();
  await world.addWorker({ ...alone(PINNED), WORKER_BUILD_ID: 'two' });
  await setCurrent('two');
  const webhook = { eventId: 'whe_1', type: 'session.status_run_started' };
  await handleOf(id, PINNED).signal(webhookReceivedSignal, webhook);
  await untilShown(
    id,
    /a worker of build one, to which its run is pinned; workers of other builds do run/,
    /WORKER_BUILD_ID=one/,
    PINNED,
  );
});

it('names the cause of each', async () => {
  const { environmentId } = world.simulators.anthropic;
  // Another program takes the work items of this environment.
  await fault('anthropic', {
    route: 'work.poll',
    kind: 'status',
    status: 200,
    match: environments.stolen,
    body: null,
    latencyMs: 2_000,
  });
  const stranger = await start('Only talk.', environments.stranger);
  await untilShown(stranger, /environment that this router does not serve/, /configuration/);
  // Refused for good, and answered: the session goes on without a sandbox.
  const refuseE2b = await fault('e2b', { route: 'sandbox.create', kind: 'status', status: 401 });
  const e2bKey = await start(script([bash('true')]));
  await untilShown(e2bKey, /E2B refuses the API key \(E2B refuses/, /E2B_API_KEY/);
  await world.admin('e2b', 'DELETE', `faults/${(refuseE2b as { id: string }).id}`);
  const approval = await start(script([{ ...bash('rm -rf \u001b[2J/data'), permission: 'ask' }]));
  await untilShown(approval, /approval of bash/, /approvals allow sesn_/);

  const environment = namesOf(DEPLOYMENT).environmentWorkflowId(environments.drained as string);
  const update = { args: [{ by: 'ann@host' }] as [{ by: string }] };
  await world.temporal.client.workflow.getHandle(environment).executeUpdate(drainUpdate, update);
  const drained = await start('Only talk.', environments.drained);
  await untilShown(drained, /a person has drained environment env_/, /environments resume env_/);
  const standing = await openSession(world);
  await takeTurn(world.anthropic, standing, script([bash('true')]));
  await handleOf(standing).executeUpdate(pauseUpdate, update);
  await untilShown(standing, /lets it go on: ann@host has paused it/, /sessions resume sesn_/);

  const long = await start(script([bash('sleep 300')]));
  const lost = await start(script([bash('sleep 300')], [bash('true')]));
  const refused = await start(script([bash('sleep 300')]), environments.refused);
  const unposted = await start(script([bash('sleep 4')]));
  const refusedResult = await start(script([bash('sleep 4')]));
  const template = await start(script([bash('true')]), environments.template);
  const slot = await start(script([bash('sleep 300')]), environments.slots);
  const stolen = await start(script({ wait_for_file: join(dir, 'never') }), environments.stolen);
  await Promise.all([long, lost, refused, unposted, refusedResult, slot].map((id) => untilRuns(id)));
  await fault('anthropic', { route: 'events.send', kind: 'status', status: 503, match: unposted });
  await fault('anthropic', { route: 'events.send', kind: 'status', status: 400, match: refusedResult });
  const nextSlot = await start(script([bash('true')]), environments.slots);
  await world.admin(
    'anthropic',
    'DELETE',
    `environments/${environments.refused}/keys/${keys.KEY_OF_REFUSED}`,
  );

  await Promise.all([
    untilShown(long, /the end of bash `sleep 300`/, /sessions interrupt/),
    untilShown(template, /cannot start one from the template/, /E2B_TEMPLATE/),
    untilShown(refused, /valid key of environment env_/, /ANTHROPIC_ENVIRONMENT_KEY/),
    untilShown(nextSlot, /a slot for a running sandbox.*position 1/, /E2B_MAX_RUNNING_SANDBOXES/),
    untilShown(unposted, /take the result of bash/, /sessions repost/),
    untilShown(stolen, /a turn is under way, and the queue has offered none/, /environments reconcile/),
    untilShown(refusedResult, /refused a result/, /sessions interrupt/),
  ]);

  // From here on no sandbox can be started soon.
  await world.admin('e2b', 'PATCH', 'switches', { 'create-delay-ms': '60000' });
  const sandboxId = (await handleOf(lost).query(statusQuery)).sandboxId;
  await world.admin('e2b', 'POST', `sandboxes/${sandboxId}/vanish`);
  await untilShown(lost, /a new sandbox: the last one no longer exists/, /started now/);
  await fault('e2b', { route: 'sandbox.create', kind: 'status', status: 429 });
  await world.admin('e2b', 'PATCH', 'switches', { 'create-delay-ms': '0' });
  const limit = await start(script([bash('true')]), environmentId);
  await untilShown(limit, /E2B's limit for the account/, /E2B_MAX_RUNNING_SANDBOXES/);

  // Ended, unknown.
  await handleOf(long).terminate('by a test');
  const [terminated, unknown] = await Promise.all([showCommand(long), showCommand('sesn_unknown')]);
  expect(terminated.code).toBe(3);
  expect(terminated.stdout).toMatch(/^Waiting for {3}nothing: a person has terminated .*by a test/);
  expect(unknown).toMatchObject({ code: 3, stdout: '' });
  expect(unknown.stderr).toContain('There is no session sesn_unknown');

  // At rest nothing is wrong; with no worker a message waits.
  await world.admin('e2b', 'DELETE', 'faults');
  const idle = await openSession(world);
  await takeTurn(world.anthropic, idle, script([bash('true')]));
  await until('it is paused', async () => (await handleOf(idle).query(statusQuery)).phase === 'paused');
  await untilShown(idle, /^Waiting for {3}a message$/, /sandbox is paused. The next message resumes it/);
  for (const worker of world.workers) await worker.kill();
  await send(idle, script([bash('true')]));
  await untilShown(idle, /a worker: none takes tasks/, /managed-agents-router worker/);
  const waiting = await showCommand(idle);
  expect(waiting.code).toBe(0);
  expect(waiting.stdout).toMatch(/^Waiting for {3}a worker: none takes tasks/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are looked for
  expect((await showCommand(approval)).stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});
