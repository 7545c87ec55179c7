// `send` and `teardown` as people and scripts run them, on the simulators.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { E2B } from 'e2b';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bash, script } from '../../simulators/test/managed-agents.ts';
import { ROUTER_MARK } from '../../src/inside-e2b/layout.ts';
import { run, type SetupWorld, startSetupWorld } from './setup-world.ts';

const LONG = 180_000;

let world: SetupWorld;
beforeAll(async () => {
  world = await startSetupWorld();
}, 120_000);
afterAll(() => world.close());

const config = (folder: string) => readFileSync(join(folder, 'managed-agents-router.yaml'), 'utf8');
const dotEnv = (folder: string) => readFileSync(join(folder, '.env'), 'utf8');
const environmentIn = (folder: string) => /env_\w+/.exec(config(folder))?.[0] ?? '';

it(
  'send opens a session, follows up in it, and says how a turn ended; teardown removes what setup made',
  async () => {
    const folder = world.folder();
    const { environmentId, environmentKey } = world.simulators.connection.anthropic;
    const env: Record<string, string> = {
      ...world.addresses,
      ...world.keys,
      ANTHROPIC_ENVIRONMENT_KEY: environmentKey,
    };
    const set = await run(folder, ['setup', '--yes', '--no-smoke', '--environment', environmentId], env)
      .ended;
    expect(set).toMatchObject({ code: 0 });

    const router = run(folder, ['start'], { ...env, WEBHOOK_PORT: '0' });
    try {
      await router.wrote('worker of ');
      const opened = await run(folder, ['--json', 'send', 'Use bash to pwd.'], env).ended;
      expect(opened.code).toBe(0);
      expect(opened.stderr).toContain('bash: pwd');
      const { sessionId, answer } = JSON.parse(opened.stdout);
      expect(answer).toBe('/mnt/session');

      const followed = await run(folder, ['send', '--session', sessionId, 'Use bash to echo again.'], env)
        .ended;
      expect(followed).toMatchObject({ code: 0, stdout: 'again\n' });
      expect(followed.stderr).not.toContain('pwd');
      // The answer is on standard output, and only there.
      expect(followed.stderr).toContain('bash: echo again');
      expect(followed.stderr).not.toContain('agent: again');

      const asks = script([bash('echo approved', { permission: 'ask' })]);
      const waits = await run(folder, ['--json', 'send', asks], env).ended;
      const waiting = JSON.parse(waits.stdout) as { how: string; sessionId: string; approvals: string[] };
      expect(waits.code).toBe(4);
      expect(waiting).toMatchObject({ how: 'approval', approvals: [expect.stringMatching(/^sevt_/)] });
      expect(waits.stderr).toContain(`approvals allow ${waiting.sessionId} --call ${waiting.approvals[0]}`);

      expect(await run(folder, ['send', '--session', 'sesn_unknown', 'hi'], env).ended).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('Anthropic knows no session sesn_unknown'),
      });

      const shown = await run(folder, ['teardown'], env).ended;
      expect(shown).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
      expect(shown.stderr).toContain('- sandbox ');

      const { apiKey, url: apiUrl } = world.simulators.connection.e2b;
      const { Sandbox } = new E2B({ apiKey, apiUrl, sandboxUrl: apiUrl });
      const metadata = { managed_by: ROUTER_MARK, environment: environmentId, deployment: 'elsewhere' };
      const inside = await Sandbox.create('managed-agents-router', { metadata });
      const plan = await run(folder, ['--json', 'teardown', '--plan'], env).ended;
      await inside.kill();
      expect(plan.code).toBe(0);
      const { byHand } = JSON.parse(plan.stdout) as { byHand: string[] };
      expect(byHand.join('\n')).toContain(
        `deploy e2b destroy --environment ${environmentId}: the router itself runs in the sandbox ${inside.sandboxId}`,
      );
    } finally {
      router.child.kill('SIGTERM');
      await router.ended;
    }

    const { code, stdout } = await run(folder, ['--json', 'teardown', '--yes'], env).ended;
    expect(code).toBe(0);
    const removed = JSON.parse(stdout) as { removed: string[]; kept: string[] };
    expect(removed.removed.map((what) => what.split(' ')[0])).toEqual(['sandbox', 'sandbox', 'agent']);
    expect(removed.kept.join('\n')).toContain(`Environment ${environmentId} stays: setup did not create it`);
    // Setup built it for this environment, and cannot write that down at an environment that it has not made.
    expect(removed.kept.join('\n')).toContain(
      'Template managed-agents-router stays: other environments may use it. --template removes it',
    );
    expect(config(folder)).not.toContain('environments:');
    const again = await run(folder, ['--json', 'teardown', '--yes'], env).ended;
    expect(JSON.parse(again.stdout)).toMatchObject({ removed: [] });
  },
  LONG,
);

it(
  'teardown removes a template that setup built, and archives an environment that has sessions',
  async () => {
    const folder = world.folder();
    const env = { ...world.addresses, ...world.keys, E2B_TEMPLATE: 'mine' };
    expect(await run(folder, ['setup', '--yes', '--no-smoke'], env).ended).toMatchObject({ code: 2 });
    const id = environmentIn(folder);
    const agent = /agent_\w+/.exec(config(folder))?.[0] ?? '';
    await world.anthropic.beta.sessions.create({ agent, environment_id: id });
    writeFileSync(join(folder, '.env'), '# mine\n');
    const { code, stdout } = await run(folder, ['--json', 'teardown', '--yes'], env).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout).removed).toEqual([
      'template mine',
      `agent ${agent}`,
      `environment ${id} with its key`,
    ]);
    expect((await world.anthropic.beta.environments.retrieve(id)).archived_at).not.toBeNull();
    expect((await world.anthropic.beta.agents.retrieve(agent)).archived_at).not.toBeNull();
    expect(dotEnv(folder)).toBe('# mine\n');
  },
  LONG,
);
