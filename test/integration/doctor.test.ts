// `doctor` beside a running router, and with one fault at a time.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { E2B } from 'e2b';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import type { CheckResult } from '../../src/cli/doctor/check.ts';
import { VERSION } from '../../src/version.ts';
import { DEFINITION } from '../../template/definition.ts';
import { TOOLHOST_TAG } from '../../toolhost/version.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

let world: World;
let env: Record<string, string>;
const servers: Server[] = [];

beforeAll(async () => {
  world = await startTestWorld();
  const { anthropic, e2b } = world.simulators;
  env = {
    ANTHROPIC_BASE_URL: anthropic.url,
    ANTHROPIC_ENVIRONMENT_ID: anthropic.environmentId,
    ANTHROPIC_ENVIRONMENT_KEY: anthropic.environmentKey,
    ANTHROPIC_WEBHOOK_SIGNING_KEY: anthropic.webhookSigningKey,
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
    TEMPORAL_ADDRESS: world.temporal.connection.options.address,
    WEBHOOK_PORT: new URL(world.webhookUrl).port,
  };
}, 120_000);
afterAll(() => world?.close());
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function doctor(changes: Record<string, string> = {}, ...options: string[]) {
  const all = { ...env, ...changes };
  const { code, stdout, stderr } = await runCommand(['--json', 'doctor', ...options], all);
  const secrets = Object.entries(all).filter(([name, value]) => /_KEY$/.test(name) && value !== '');
  for (const [, secret] of secrets) expect(stdout + stderr).not.toContain(secret);
  expect(stderr).toBe('');
  const { checks } = JSON.parse(stdout) as { checks: CheckResult[] };
  return { code, checks, of: (name: string) => checks.find((check) => check.name === name) };
}

it('finds nothing wrong with a router that runs, names its versions, and takes no work', async () => {
  await until('the queue watch has polled', async () => {
    const { of } = await doctor();
    return of(`queue of ${env.ANTHROPIC_ENVIRONMENT_ID}`)?.verdict === 'ok';
  });
  const { code, checks, of } = await doctor();
  expect(checks.filter(({ verdict }) => verdict === 'problem')).toEqual([]);
  expect(code).toBe(0);
  expect(of('polling')?.text).toContain(`${world.workers[0]?.pid}@`);
  expect(of(`other deployments at ${env.ANTHROPIC_ENVIRONMENT_ID}`)?.verdict).toBe('ok');
  expect(of('version')).toMatchObject({ verdict: 'ok', text: `workers have version ${VERSION}` });
  expect(of('signing key')).toMatchObject({ verdict: 'ok', text: 'the webhook server has one' });
  expect(of('clock')?.verdict).toBe('ok');
  expect(of('search attributes')?.verdict).toBe('ok');
  for (const name of [
    'reaches Anthropic',
    'reaches E2B',
    'reaches sandboxes',
    'API key',
    'running sandboxes',
  ])
    expect(of(name), name).toMatchObject({ verdict: 'ok' });
  expect(of('network inside')?.verdict).toBe('not checked');
}, 60_000);

it('prints lines that fit a terminal of 80 columns, with a summary', async () => {
  const { stdout, code } = await runCommand(['doctor'], {
    ...env,
    ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-revoked',
  });
  expect(code).toBe(1);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.filter((line) => line.length > 80 && line.includes(' ', 13))).toEqual([]);
  expect(lines.at(-1)).toMatch(/^1 problem, \d+ warnings?, \d+ ok, \d+ not checked$/);
  expect(stdout).toMatch(/problem +Anthropic: key of env_\S+:\s+Anthropic refuses/);
});

describe('a fault is told with its cure', () => {
  it.each([
    ['E2B refuses the key', { E2B_API_KEY: 'e2b_00000000000000000000' }, 'API key', 'problem', /E2B_API_KEY/],
    [
      'no such template',
      { E2B_TEMPLATE: 'no-such-template' },
      'template no-such-template',
      'problem',
      /managed-agents-router setup/,
    ],
    ['another deployment, without workers', { ROUTER_DEPLOYMENT: 'lonely' }, 'polling', 'problem', /worker/],
    ['no webhook server', { WEBHOOK_PORT: '1' }, 'server', 'warning', /--webhook-url/],
    [
      'a key of another kind',
      { E2B_API_KEY: 'sk-ant-oat01-0123456789' },
      'settings',
      'problem',
      /belongs in ANTHROPIC_ENVIRONMENT_KEY/,
    ],
    ['a misspelt variable', { E2B_TEMPALTE: 'x' }, 'settings', 'warning', /Did you mean E2B_TEMPLATE/],
    ['no namespace', { TEMPORAL_NAMESPACE: 'none' }, 'namespace', 'problem', /set TEMPORAL_NAMESPACE/],
    [
      'the limit of sandboxes',
      { E2B_MAX_RUNNING_SANDBOXES: '1' },
      'running sandboxes',
      'warning',
      /sandboxes list/,
    ],
  ])(
    '%s',
    async (fault, changes, name, verdict, cure) => {
      const sandbox =
        fault === 'the limit of sandboxes' ? await world.Sandbox.create(DEFINITION.name) : undefined;
      const { code, checks } = await doctor(changes as unknown as Record<string, string>);
      await sandbox?.kill();
      const found = checks.filter((check) => check.name === name && check.verdict === verdict);
      expect(found.map(({ text, cure = '' }) => `${text} ${cure}`).join()).toMatch(cure);
      expect(code).toBe(verdict === 'problem' ? 1 : 0);
    },
    60_000,
  );

  it('an environment of another key', async () => {
    const { code, of } = await doctor({ ANTHROPIC_ENVIRONMENT_ID: 'env_another' });
    expect(of('key of env_another')).toMatchObject({
      verdict: 'problem',
      cure: expect.stringContaining('environments[].id'),
    });
    expect(of('queue of env_another')?.verdict).toBe('not checked');
    expect(code).toBe(1);
  });

  it('a namespace without our search attributes, and with a short retention', async () => {
    const namespace = 'bare';
    await world.temporal.connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    await until('the namespace is there', async () => {
      const { of } = await doctor({ TEMPORAL_NAMESPACE: namespace });
      return of('search attributes')?.verdict === 'warning';
    });
    const { of } = await doctor({ TEMPORAL_NAMESPACE: namespace });
    expect(of('search attributes')?.cure).toMatch(
      /^temporal operator search-attribute create --namespace bare --name SessionPhase --type Keyword/,
    );
    expect(of('namespace')).toMatchObject({
      verdict: 'warning',
      cure: expect.stringContaining('--retention 168h'),
    });
    // It has only looked: nothing was registered.
    const { customAttributes } = await world.temporal.connection.operatorService.listSearchAttributes({
      namespace,
    });
    expect(customAttributes).toEqual({});
  }, 60_000);

  it('work that no worker takes, which stays in the queue', async () => {
    const { beta } = world.anthropic;
    const { id } = await beta.environments.create({ name: 'idle', config: { type: 'self_hosted' } });
    const { key } = (await world.admin('anthropic', 'POST', `environments/${id}/keys`)) as { key: string };
    await beta.sessions.create({ agent: world.simulators.anthropic.agentId, environment_id: id });
    const { code, of } = await doctor({ ANTHROPIC_ENVIRONMENT_ID: id, ANTHROPIC_ENVIRONMENT_KEY: key });
    expect(of(`queue of ${id}`)).toMatchObject({
      verdict: 'problem',
      text: expect.stringMatching(/^1 waiting, 0 claimed .* 0 workers polling$/),
    });
    expect(code).toBe(1);
    expect(await beta.environments.work.stats(id)).toMatchObject({
      depth: 1,
      pending: 0,
      workers_polling: 0,
    });
  });

  it('a worker of another deployment at the queue of the same environment', async () => {
    const { url, environmentId, environmentKey } = world.simulators.anthropic;
    const poll = await fetch(`${url}/v1/environments/${environmentId}/work/poll`, {
      headers: {
        authorization: `Bearer ${environmentKey}`,
        'anthropic-beta': 'managed-agents-2026-04-01',
        'anthropic-version': '2023-06-01',
        'anthropic-worker-id': 'of-another-deployment',
      },
    });
    expect(poll.ok).toBe(true);
    const { code, of } = await doctor();
    expect(of(`other deployments at ${environmentId}`)).toMatchObject({
      verdict: 'warning',
      text: expect.stringContaining('was polled by 1 worker beside those of this deployment'),
      cure: expect.stringContaining('stop one of the two routers'),
    });
    expect(code).toBe(0);
  });

  it('a template whose toolhost is old, and one that is current', async () => {
    const connection = { apiKey: world.simulators.e2b.apiKey, apiUrl: world.simulators.e2b.url };
    const { Template } = new E2B(connection);
    await Template.build(Template().fromBaseImage(), 'toolhosts', {});
    expect((await doctor({ E2B_TEMPLATE: 'toolhosts' })).of('template toolhosts')).toMatchObject({
      verdict: 'warning',
      cure: expect.stringContaining('setup --rebuild'),
    });
    await Template.assignTags('toolhosts', TOOLHOST_TAG);
    expect((await doctor({ E2B_TEMPLATE: 'toolhosts' })).of('template toolhosts')?.verdict).toBe('ok');
    await Template.build(Template().fromBaseImage().setEnvs({ LATER: '1' }), 'toolhosts', {});
    expect((await doctor({ E2B_TEMPLATE: 'toolhosts' })).of('template toolhosts')?.verdict).toBe('warning');
  }, 60_000);

  it.each([
    [60_000, 'warning'],
    [-600_000, 'problem'],
  ])('a clock that is %i ms off', async (skew, verdict) => {
    const url = await listen((_request, response) => {
      response.setHeader('date', new Date(Date.now() - skew).toUTCString()).end('{}');
    });
    const { of } = await doctor({ ANTHROPIC_BASE_URL: url, E2B_API_URL: url, E2B_SANDBOX_URL: url });
    expect(of('clock')).toMatchObject({
      verdict,
      text: expect.stringContaining(skew > 0 ? 'ahead' : 'behind'),
    });
  });

  it('something else on the port of the webhook server', async () => {
    const url = await listen((_request, response) => response.end('x'.repeat(200_000)));
    const { checks } = await doctor({}, '--webhook-url', url);
    expect(checks.find(({ area, name }) => area === 'webhook' && name === 'server')?.verdict).toBe('warning');
  });
});

describe('without', () => {
  it('anything at all, every check says why it was not made', async () => {
    const nothing = {
      TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}`,
      WEBHOOK_PORT: String(await freePort()),
    };
    const closed = `http://127.0.0.1:${await freePort()}`;
    const urls = { ANTHROPIC_BASE_URL: closed, E2B_API_URL: closed, E2B_SANDBOX_URL: closed };
    const { code, stdout, stderr } = await runCommand(['--json', 'doctor'], { ...nothing, ...urls });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const { checks } = JSON.parse(stdout) as { checks: CheckResult[] };
    for (const { verdict, text } of checks) {
      expect(verdict === 'ok', text).toBe(false);
      expect(text).not.toMatch(/\n|\bat .*\.(ts|js):\d/);
    }
    expect(checks.find(({ name }) => name === 'API key')?.text).toBe('E2B_API_KEY is not set');
    expect(checks.find(({ area }) => area === 'Temporal')?.text).toContain('set TEMPORAL_ADDRESS');
  }, 60_000);

  it('answers of the services, it ends at the time limit and says so', async () => {
    const silent = await listen(() => undefined);
    const urls = { ANTHROPIC_BASE_URL: silent, E2B_API_URL: silent, E2B_SANDBOX_URL: silent };
    const { code, of } = await doctor(urls, '--webhook-url', silent);
    expect(code).toBe(1);
    expect(of('reaches Anthropic')?.verdict).toBe('problem');
    expect(of('API key')).toMatchObject({ verdict: 'not checked' });
    expect(of('polling')?.verdict).toBe('ok');
  }, 60_000);
});
