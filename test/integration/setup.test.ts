// `setup` as people and scripts run them, on the simulators.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { onOneLine, run, runOnTerminal, type SetupWorld, startSetupWorld } from './setup-world.ts';

const LONG = 180_000;
const ENTER = '\r';
const COLOUR = `${String.fromCharCode(27)}[32m`;
const GREEN = 'Smoke test passed';

let world: SetupWorld;
beforeAll(async () => {
  world = await startSetupWorld();
}, 120_000);
afterAll(() => world.close());

const config = (folder: string) => readFileSync(join(folder, 'managed-agents-router.yaml'), 'utf8');
const dotEnv = (folder: string) => readFileSync(join(folder, '.env'), 'utf8');
const environmentIn = (folder: string) => /env_\w+/.exec(config(folder))?.[0] ?? '';

it(
  'from an empty folder to a green smoke test in one command, on a terminal with 80 columns',
  async () => {
    const folder = world.folder();
    const terminal = runOnTerminal(folder, ['setup'], { ...world.addresses, E2B_TEMPLATE: 'typed' });
    await terminal.wrote('API key of your E2B team');
    terminal.type(world.keys.ANTHROPIC_API_KEY + ENTER);
    await terminal.wrote('but holds an API key of your Anthropic organisation');
    terminal.type(world.keys.E2B_API_KEY + ENTER);
    await terminal.wrote('API key of your organisation');
    terminal.type(world.keys.ANTHROPIC_API_KEY + ENTER);
    await terminal.wrote('Keep it in .env');
    terminal.type(ENTER);
    await terminal.wrote('Template typed is built');
    await terminal.wrote('Key of the environment');
    const key = await world.environmentKey(environmentIn(folder));
    terminal.type(key + ENTER);
    await terminal.wrote('Register a webhook now?');
    terminal.type(ENTER);
    const { code, stdout } = await terminal.ended;

    expect(code).toBe(0);
    for (const text of ['Click "Generate environment key"', GREEN, 'managed-agents-router start'])
      expect(onOneLine(terminal.written())).toContain(text);
    expect(stdout).toContain(COLOUR);
    const widths = terminal
      .written()
      .split(/[\r\n]+/)
      .map((line) => [...line].length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(80);
    for (const secret of [...Object.values(world.keys), key]) {
      expect(terminal.written()).not.toContain(secret);
      expect(config(folder)).not.toContain(secret);
      expect(dotEnv(folder)).toContain(secret);
    }
    expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600);

    // A later run in a shell without any variable finds everything and asks for nothing.
    const again = run(folder, ['--json', 'setup', '--yes'], {});
    expect(JSON.parse((await again.ended).stdout)).toMatchObject({
      environmentId: environmentIn(folder),
      template: { name: 'typed', built: false },
      webhook: 'later',
      smoke: { calls: 1, answer: expect.stringMatching(/^router-works-/) },
    });
  },
  LONG,
);

it(
  'without a key of the organisation, a person makes environment and session in the Console',
  async () => {
    const folder = world.folder();
    const { environmentId, environmentKey, agentId } = world.simulators.connection.anthropic;
    const terminal = runOnTerminal(folder, ['setup'], world.addresses);
    await terminal.wrote('API key of your E2B team');
    terminal.type(world.keys.E2B_API_KEY + ENTER);
    await terminal.wrote('API key of your organisation (empty');
    terminal.type(ENTER);
    await terminal.wrote('Id of the environment');
    terminal.type(environmentId + ENTER);
    await terminal.wrote('Key of the environment');
    terminal.type(environmentKey + ENTER);
    await terminal.wrote('Register a webhook now?');
    terminal.type(ENTER);
    await terminal.wrote('Id of the session');
    const text = /Send: (Use bash .*? it printed\.)/.exec(onOneLine(terminal.written()))?.[1] ?? '';
    const session = await world.anthropic.beta.sessions.create({
      agent: agentId,
      environment_id: environmentId,
      initial_events: [{ type: 'user.message', content: [{ type: 'text', text }] }],
    });
    terminal.type(session.id + ENTER);
    expect((await terminal.ended).code).toBe(0);
    expect(onOneLine(terminal.written())).toContain(GREEN);
  },
  LONG,
);

it('Ctrl-C at a question ends setup with 130, and nothing was written', async () => {
  const folder = world.folder();
  const terminal = runOnTerminal(folder, ['setup'], world.addresses);
  await terminal.wrote('API key of your E2B team');
  terminal.type(String.fromCharCode(3));
  expect((await terminal.ended).code).toBe(130);
  expect(onOneLine(terminal.written())).toContain('run the command again to go on');
  expect(() => config(folder)).toThrow('ENOENT');
  expect(() => dotEnv(folder)).toThrow('ENOENT');
});

it(
  'a script gets JSON, and the name of what is missing instead of a question',
  async () => {
    const folder = world.folder();
    const setup = (env: Record<string, string>) =>
      run(folder, ['--json', 'setup', '--yes'], { ...world.addresses, ...env }).ended;

    const missingIn = async (env: Record<string, string>) => {
      const { code, stdout, stderr } = await setup(env);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      return [...stderr.matchAll(/^(\w+) is not set/gm)].map(([, variable]) => variable);
    };
    const others = ['ANTHROPIC_API_KEY', 'ANTHROPIC_ENVIRONMENT_KEY'];
    expect(await missingIn({})).toEqual(['E2B_API_KEY', ...others]);
    expect(await missingIn({ E2B_API_KEY: world.keys.E2B_API_KEY })).toEqual(others);
    const refused = await setup({ E2B_API_KEY: `e2b_${'0'.repeat(40)}` });
    expect(refused).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('E2B refuses the key in E2B_API_KEY'),
    });

    const first = await setup(world.keys);
    expect(first).toMatchObject({ code: 2, stdout: '' });
    expect(first.stderr).toContain('ANTHROPIC_ENVIRONMENT_KEY is not set');
    expect(first.stderr).toContain(`Click the environment ${environmentIn(folder)}`);

    const key = await world.environmentKey(environmentIn(folder));
    const { code, stdout } = await setup({ ...world.keys, ANTHROPIC_ENVIRONMENT_KEY: key });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      smoke: { calls: 1 },
      configFile: 'managed-agents-router.yaml',
    });
    expect(dotEnv(folder)).toContain(key);
    expect(dotEnv(folder)).not.toContain(world.keys.ANTHROPIC_API_KEY);
    expect(stdout).not.toContain(key);
  },
  LONG,
);

it(
  'the plan names every step and changes nothing',
  async () => {
    const folder = world.folder();
    const { code, stdout } = await run(folder, ['--json', 'setup', '--plan'], {
      ...world.addresses,
      ...world.keys,
    }).ended;
    expect(code).toBe(0);
    const { plan } = JSON.parse(stdout) as { plan: { step: string; todo: string | null }[] };
    expect(plan.filter(({ todo }) => todo).map(({ step }) => step)).toEqual([
      'environment',
      'agent',
      'environment key',
      'webhook',
      'files',
      'smoke test',
    ]);
    expect(() => config(folder)).toThrow('ENOENT');
    expect(() => dotEnv(folder)).toThrow('ENOENT');
  },
  LONG,
);

it(
  'interrupted at any step, it is finished by a later run, and nothing exists twice',
  async () => {
    const folder = world.folder();
    const env: Record<string, string> = { ...world.addresses, ...world.keys, E2B_TEMPLATE: 'interrupted' };
    const before = await count();
    // Time to interrupt between the environment and the agent.
    await world.simulators.admin('anthropic', 'POST', 'faults', {
      route: 'agents.create',
      kind: 'latency',
      latencyMs: 2_000,
      times: 1,
    });
    for (const [moment, signal] of [
      ['Building the template', 'SIGINT'],
      ['is created', 'SIGINT'],
      ['Starting the router', 'SIGTERM'],
      ['Session sesn_', 'SIGINT'],
    ] as const) {
      const { child, wrote, ended } = run(folder, ['setup', '--yes'], env);
      await wrote(moment);
      child.kill(signal);
      const { code, stderr } = await ended;
      expect([moment, code, stderr.trim().split('\n').at(-1)]).toEqual([moment, 130, 'Interrupted']);
      if (moment === 'is created')
        env.ANTHROPIC_ENVIRONMENT_KEY = await world.environmentKey((await newest()).id);
    }
    const { code, stderr } = await run(folder, ['setup', '--yes'], env).ended;
    expect(stderr).toContain(GREEN);
    expect(code).toBe(0);
    expect(await count()).toEqual({ environments: before.environments + 1, agents: before.agents + 1 });
    expect(environmentIn(folder)).toBe((await newest()).id);
  },
  LONG,
);

async function count() {
  const environments = (await world.anthropic.beta.environments.list()).data.length;
  return { environments, agents: (await world.anthropic.beta.agents.list()).data.length };
}

async function newest() {
  const [environment] = (await world.anthropic.beta.environments.list()).data;
  if (!environment) throw new Error('there is no environment');
  return environment;
}
