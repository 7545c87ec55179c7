// A router inside an E2B sandbox whose processes or files are not as they should be: what its commands say, and what they mend.
import type { Sandbox } from 'e2b';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { CONFIG, type DeployedWorld, startDeployedWorld } from './deployed-world.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const patient = { timeout: 120_000, interval: 500 };
const HOME = '/opt/managed-agents-router';
const WORKER = `${HOME}/current/node_modules/managed-agents-router/dist/src/worker.js`;

let world: DeployedWorld;
let inside: Sandbox;
let release: string;

beforeAll(async () => {
  world = await startDeployedWorld();
  const { code, stdout, stderr } = await world.deploy();
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const result = JSON.parse(stdout);
  release = result.release;
  inside = await world.connect(result.sandboxId);
});
afterAll(() => world?.close());

const e2b = (...args: string[]) => world.command(['deploy', 'e2b', ...args]);
const shell = async (line: string) => (await inside.commands.run(line)).stdout.trim();
const supervisor = async () => JSON.parse(await inside.files.read(`${HOME}/data/state.json`)).pid as number;
/** Counts the sandbox's processes whose command line matches the pattern. */
const count = async (pattern: string) => Number(await shell(`pgrep -fc '${pattern}' || true`));
/** Kills the supervisor and the loop that would start it again. */
async function killAll(): Promise<void> {
  const pid = await supervisor();
  await shell(`kill -9 $(ps -o ppid= -p ${pid}) ${pid}`);
  await expect.poll(() => count('dist/src/main[.]js'), patient).toBe(0);
}
const update = () => e2b('update', '--package', world.packed);

it('a wrong file that the router can do without is a warning: it serves', async () => {
  await inside.files.write(`${CONFIG}/log-level`, '');
  await inside.files.write(`${CONFIG}/sesion-grace-seconds`, '5');
  const wrong = [
    expect.stringContaining('The file log-level is empty'),
    expect.stringContaining('The file sesion-grace-seconds is not used'),
  ];
  await expect.poll(async () => (await world.status()).warnings.slice(0, 2), patient).toEqual(wrong);
  expect(await e2b('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('Warning') });
  const { code, stdout, stderr } = await world.deploy();
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('log-level is empty') });
  expect(JSON.parse(stdout)).toMatchObject({ created: false, warnings: wrong });
  await shell(`rm ${CONFIG}/log-level ${CONFIG}/sesion-grace-seconds`);
});

it('a router whose processes have ended is not said to run', async () => {
  await killAll();
  const status = await e2b('status');
  expect(status).toMatchObject({ code: 1, stdout: expect.stringContaining("router's processes have ended") });
  expect(status.stdout).toMatch(/Health +no answer/);
  expect(status.stdout).toMatch(/Signing key +unknown/);
  expect(status.stdout).not.toContain('worker runs');
  expect(await world.status()).toMatchObject({ healthy: false, worker: 'has ended', signingKeySet: null });
});

it('update starts it again in its place, and so does deploy; one loop alone runs', async () => {
  const updated = await update();
  expect(updated).toMatchObject({ code: 0, stderr: expect.stringContaining(`runs ${release} again`) });
  expect(await world.status()).toMatchObject({ worker: 'runs', problems: [] });
  expect(await update()).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`runs ${release} already`),
  });
  await killAll();
  const deployed = await world.deploy();
  expect(deployed).toMatchObject({ code: 0, stderr: expect.stringContaining('are started again') });
  expect(JSON.parse(deployed.stdout)).toMatchObject({ sandboxId: inside.sandboxId, created: false });
  await expect.poll(world.status, patient).toMatchObject({ healthy: true, worker: 'runs', problems: [] });
  // The loop starts the supervisor again; no second one does.
  const pid = await supervisor();
  await shell(`kill -9 ${pid}`);
  expect((await world.deploy()).code).toBe(0);
  expect(await supervisor()).not.toBe(pid);
  expect(await count('inside-e2[b]; sleep 1')).toBe(1);
});

it('a state of another process with the same pid is not believed', async () => {
  const state = `${HOME}/data/state.json`;
  const written = await inside.files.read(state);
  await inside.files.write(state, JSON.stringify({ ...JSON.parse(written), startTicks: '1' }));
  expect(await e2b('status')).toMatchObject({ code: 1, stdout: expect.stringContaining('have ended') });
  await inside.files.write(state, written);
  expect(await e2b('status')).toMatchObject({ code: 0 });
});

it('a worker that ends again and again is a problem, also between its endings', async () => {
  await shell(
    `cp ${WORKER} ${WORKER}.kept; echo 'process.exit(1);' > ${WORKER}; pkill -f 'main[.]js worker'`,
  );
  await expect.poll(() => e2b('status').then(({ code }) => code), patient).toBe(1);
  const status = await world.status();
  expect(status).toMatchObject({ healthy: true });
  expect(status.problems.join()).toMatch(/The worker does not run; it .*logs worker/);
  await expect
    .poll(async () => (await world.status()).warnings.join(), patient)
    .toMatch(/The worker has ended \(\d+ times in a row, last code 1\)/);
  await shell(`mv ${WORKER}.kept ${WORKER}`);
  await expect.poll(world.status, patient).toMatchObject({ worker: 'runs', problems: [] });
});

it('an interrupt ends what was started in the sandbox', async () => {
  const followed = world.start(['deploy', 'e2b', 'logs', '--follow', 'supervisor']);
  await followed.wrote('worker starts');
  expect(await count('tai[l] -n')).toBe(1);
  followed.child.kill('SIGINT');
  await followed.ended;
  await expect.poll(() => count('tai[l] -n'), patient).toBe(0);

  const watched = world.start(['deploy', 'e2b', 'exec', '--', 'sessions', 'watch', await servedSession()]);
  const runs = () => count('session[s] watch');
  await expect.poll(runs, patient).toBeGreaterThan(0);
  watched.child.kill('SIGINT');
  expect(await watched.ended).toMatchObject({ code: 130 });
  await expect.poll(runs, patient).toBe(0);
});

async function servedSession(): Promise<string> {
  const id = await world.newSession();
  await world.anthropic.beta.sessions.events.send(id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text: 'Use bash to pwd.' }] }],
  });
  const list = () => e2b('exec', '--', 'sessions', 'list', '--json');
  await expect.poll(async () => (await list()).stdout, patient).toContain(id);
  return id;
}

it('logs that are not there yet are no failure', async () => {
  await shell(`mv ${HOME}/data/temporal.log ${HOME}/data/temporal.kept || true`);
  expect(await e2b('logs', 'temporal', 'supervisor')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('worker starts'),
  });
});
