// `sandboxes list` and `sandboxes clean`: what is ours, what is an orphan, and what is never touched.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { statusOf, workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { DEFINITION } from '../../template/definition.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

vi.setConfig({ testTimeout: 180_000 });

const HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString();

let world: World;
let e2bOnly: Record<string, string>;
let env: Record<string, string>;
beforeAll(async () => {
  world = await startTestWorld({ graceSeconds: 0.5, switches: ['model-delay-ms=0'] });
  const { url, environmentId, environmentKey } = world.simulators.anthropic;
  const { apiKey, url: e2bUrl } = world.simulators.e2b;
  e2bOnly = { E2B_API_KEY: apiKey, E2B_API_URL: e2bUrl, E2B_SANDBOX_URL: e2bUrl };
  env = {
    ...e2bOnly,
    TEMPORAL_ADDRESS: world.temporal.connection.options.address as string,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_ENVIRONMENT_ID: environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: environmentKey,
  };
});
afterAll(() => world?.close());

const sandboxes = (args: string[], settings = env) => runCommand(['sandboxes', ...args], settings);
const clean = async (...args: string[]) => JSON.parse((await sandboxes(['clean', '--json', ...args])).stdout);
const stateOf = (sandboxId: string) =>
  world.Sandbox.getInfo(sandboxId).then(
    ({ state }) => state,
    () => 'killed',
  );

async function restingSession(): Promise<{ id: string; sandboxId: string }> {
  const id = await openSession(world);
  await takeTurn(world.anthropic, id, commands('echo kept > kept'));
  const sandboxId = await until('the sandbox is paused', async () => {
    const status = await statusOf(world, id);
    return status.sandboxId && (await stateOf(status.sandboxId)) === 'paused' && status.sandboxId;
  });
  return { id, sandboxId };
}

/** A sandbox with the metadata of another one, made an hour ago. */
async function copyOf(sandboxId: string, change: Record<string, string> = {}): Promise<string> {
  const { metadata } = await world.Sandbox.getInfo(sandboxId);
  const copy = await world.Sandbox.create(DEFINITION.name, {
    metadata: { ...metadata, created_at: HOUR_AGO, ...change },
  });
  return copy.sandboxId;
}

it('lists sandboxes with the E2B key alone: whose they are, their state, how long they ran', async () => {
  const { id, sandboxId } = await restingSession();
  const { code, stdout } = await sandboxes(['list'], e2bOnly);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^SANDBOX +STATE +AGE +RAN +SESSION$/m);
  expect(stdout).toMatch(new RegExp(`^${sandboxId} +paused +\\d+ s +\\d+ s +${id}$`, 'm'));
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);

  const prices = ['--vcpu-price', '0.000014', '--gib-price', '0.0000045'];
  const listed = JSON.parse((await sandboxes(['list', '--json', ...prices], e2bOnly)).stdout).sandboxes;
  const row = listed.find((one: { sandboxId: string }) => one.sandboxId === sandboxId);
  expect(row).toMatchObject({
    state: 'paused',
    sessionId: id,
    sharedKey: null,
    runningSecondsComplete: true,
  });
  expect(row.runningSeconds).toBeGreaterThan(0);
  expect(row.cost).toBeGreaterThan(0);
  expect(JSON.parse((await sandboxes(['list', '--json', '--state', 'running'], e2bOnly)).stdout)).toEqual({
    sandboxes: [],
  });
  expect(await sandboxes(['list'], {})).toMatchObject({ code: 2 });
  const refused = await sandboxes(['list'], { ...e2bOnly, E2B_API_KEY: 'e2b_0000000000000000' });
  expect(refused).toMatchObject({ code: 5, stdout: '', stderr: 'E2B refuses the key: check E2B_API_KEY\n' });
});

it('kills only what it proves to be an orphan', async () => {
  const { id: living, sandboxId: used } = await restingSession();
  const { id: gone, sandboxId: left } = await restingSession();
  const duplicate = await copyOf(used);
  const fresh = await copyOf(left, { created_at: new Date().toISOString() });
  const forged = await copyOf(left, { session: living });
  const unproven = await copyOf(left, { proof: 'x' });
  const otherEnvironment = await copyOf(left, { environment: 'env_other' });
  const otherProgram = await copyOf(left, { managed_by: 'another-program' });
  const orphan = await copyOf(left);
  // The session ends while no workflow can notice.
  await workflowOf(world, gone).terminate();
  const before = await clean('--plan');
  const verdict = (found: typeof before, sandboxId: string) =>
    found.sandboxes.find((one: { sandboxId: string }) => one.sandboxId === sandboxId);
  expect(verdict(before, orphan)).toMatchObject({ orphan: false, why: `session ${gone} has not ended` });
  await world.anthropic.beta.sessions.archive(gone);

  const plan = await clean('--plan');
  expect(verdict(plan, orphan)).toMatchObject({
    orphan: true,
    why: `session ${gone} is archived`,
    killed: false,
  });
  const why = Object.fromEntries(
    [duplicate, fresh, forged, unproven].map((one) => [one, verdict(plan, one).why]),
  );
  expect(why).toEqual({
    [duplicate]: `the workflow of session ${living} runs; the reconcile decides`,
    [fresh]: 'it was made less than 10 minutes ago',
    [forged]: expect.stringContaining('no proof that this router made it'),
    [unproven]: expect.stringContaining('no proof that this router made it'),
  });
  expect(plan.sandboxes.filter((one: { orphan: boolean }) => one.orphan)).toHaveLength(1);
  expect(verdict(plan, otherEnvironment)).toBeUndefined();
  expect(verdict(plan, otherProgram)).toBeUndefined();

  // Without a terminal it shows them, kills nothing and says how to go on.
  const shown = await sandboxes(['clean']);
  expect(shown.code).toBe(2);
  expect(shown.stdout.split('\n')).toEqual([
    expect.stringMatching(new RegExp(`^kill {2}${orphan} {2}running {2}6[0-9] min old$`)),
    `      session ${gone} is archived`,
    '',
    expect.stringMatching(/^One orphan, [0-9]+ kept[.]$/),
    '',
  ]);
  expect(shown.stderr).toContain('add --yes');
  expect(await stateOf(orphan)).toBe('running');

  const done = await clean('--yes');
  expect(verdict(done, orphan)).toMatchObject({ orphan: true, killed: true });
  expect(await stateOf(orphan)).toBe('killed');
  for (const kept of [used, duplicate, fresh, forged, unproven, otherEnvironment, otherProgram])
    expect(await stateOf(kept), kept).not.toBe('killed');
  const again = await sandboxes(['clean']);
  expect(again).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^There is nothing to clean: \d+ kept\.\n$/),
  });
});

it('kills nothing while a service does not answer', async () => {
  const { id, sandboxId } = await restingSession();
  await copyOf(sandboxId);
  await workflowOf(world, id).terminate();
  const { stderr, code } = await sandboxes(['clean', '--yes'], {
    ...env,
    ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
  });
  expect(code).toBe(5);
  expect(stderr).toBe('Anthropic cannot be reached: check the network and ANTHROPIC_BASE_URL\n');
});
