// The router inside an E2B sandbox, as a person deploys it, uses it and removes it: the steps of E2B's guide in their order,
// with our commands and with the SDK's own calls (docs/inside-e2b.md).
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { takeTurn } from '../../harness/turns.ts';
import { CONFIG, type DeployedWorld, startDeployedWorld } from './deployed-world.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const patient = { timeout: 120_000, interval: 500 };

let world: DeployedWorld;
/** The router's sandbox, and a session that was served. */
let routerId: string;
let sessionId: string;

beforeAll(async () => {
  world = await startDeployedWorld();
});
afterAll(() => world?.close());

const command = (...args: string[]) => world.command(args);
const deliver = (id: string) =>
  world.ask(id, 8000, '/webhook', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });

it('create, keys as files, address: one command, which says what to click next', async () => {
  const { code, stdout, stderr } = await world.deploy();
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const result = JSON.parse(stdout);
  routerId = result.sandboxId;
  expect(result).toMatchObject({ created: true, signingKey: 'missing', warnings: [] });
  expect(result.webhookUrl).toMatch(new RegExp(`^http://8000-${routerId}\\.[^/]+/webhook$`));
  expect(stderr).toContain(`2. Add the address ${result.webhookUrl}`);
  expect(stderr).toContain('Set ANTHROPIC_WEBHOOK_SIGNING_KEY');

  const { lifecycle, metadata } = await world.Sandbox.getInfo(routerId);
  expect(lifecycle).toEqual({ onTimeout: 'pause', autoResume: true });
  // Another mark than that of tool sandboxes, which the router lists and kills.
  expect(metadata.managed_by).toBe('managed-agents-router-inside-e2b');
  const inside = await world.connect(routerId);
  const { stdout: modes } = await inside.commands.run(`stat -c '%a %U' ${CONFIG} ${CONFIG}/*`);
  expect(new Set(modes.trim().split('\n').slice(1))).toEqual(new Set(['600 user']));
  expect(modes).toMatch(/^700 user\n/);
  const all = [stdout, stderr].join('');
  for (const key of [
    world.simulators.connection.e2b.apiKey,
    world.simulators.connection.anthropic.environmentKey,
  ])
    expect(all).not.toContain(key);
});

it('503 until the signing key is written; then it is registered, without a restart', async () => {
  expect(await world.health(routerId)).toMatchObject({ ok: true, signingKeySet: false });
  expect((await deliver(routerId)).status).toBe(503);
  const before = await world.status();
  expect(before).toMatchObject({
    problems: [],
    warnings: [expect.stringContaining('There is no signing key')],
  });
  const inside = await world.connect(routerId);
  // As a person writes it, with a line break.
  await inside.files.write(
    `${CONFIG}/anthropic-webhook-signing-key`,
    `${await world.register(before.webhookUrl)}\n`,
  );
  await expect.poll(() => world.health(routerId), patient).toMatchObject({ signingKeySet: true });
  expect((await deliver(routerId)).status).toBe(401);
  expect(await world.status()).toMatchObject({
    healthy: true,
    signingKeySet: true,
    worker: 'runs',
    problems: [],
    warnings: [],
  });
});

it('smoke test, health, logs, assignments: a session runs in a sandbox of its own, which holds no key', async () => {
  sessionId = await world.newSession();
  const turn = await takeTurn(world.anthropic, sessionId, 'Use bash to echo kept > /mnt/session/file; pwd.');
  expect(turn).toMatchObject({ stopReason: 'end_turn', answer: expect.stringContaining('/mnt/session') });
  const logs = await command('deploy', 'e2b', 'logs', '--lines', '1000');
  expect(logs.code).toBe(0);
  // Webhook log and worker log.
  expect(logs.stdout).toMatch(new RegExp(`"sessionId":"${sessionId}","outcome":"signalled","status":204`));
  expect(logs.stdout).toMatch(new RegExp(`"sessionId":"${sessionId}".*tool call ended`));

  const listed = await command('--json', 'deploy', 'e2b', 'exec', '--', 'sandboxes', 'list');
  expect(listed.code).toBe(0);
  const [assigned, ...others] = JSON.parse(listed.stdout).sandboxes;
  expect(others).toEqual([]);
  expect(JSON.stringify(assigned)).toContain(sessionId);
  const tools = await world.connect(assigned.sandboxId);
  const { stdout } = await tools.commands.run(
    'sudo sh -c "cat /proc/[0-9]*/environ; ls -a /opt /opt/managed-agents-router; true" | tr "\\0" "\\n"',
  );
  expect(stdout).toContain('toolhost');
  for (const key of [
    world.simulators.connection.e2b.apiKey,
    world.simulators.connection.anthropic.environmentKey,
  ])
    expect(stdout).not.toContain(key);
  expect(stdout).not.toContain('anthropic-environment-key');
});

it('no port but that of the webhook server serves the internet', async () => {
  const inside = await world.connect(routerId);
  const { stdout } = await inside.commands.run('cat /proc/net/tcp /proc/net/tcp6');
  const listening = stdout.split('\n').flatMap((line) => {
    const [, address = '', , state] = line.trim().split(/\s+/);
    const port = Number.parseInt(address.split(':')[1] ?? '', 16);
    return state === '0A' && port ? [port] : [];
  });
  expect(listening).toContain(7233);
  const own = [8000, ...['anthropic', 'e2b'].map((name) => portOf(name as 'anthropic' | 'e2b'))];
  const paths = ['/', '/api/v1/namespaces', '/namespaces/default/workflows', '/ready'];
  const served: string[] = [];
  for (const port of new Set(listening.filter((each) => !own.includes(each))))
    for (const path of paths) {
      const status = await world.ask(routerId, port, path).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status >= 200 && status < 400) served.push(`${port}${path}`);
    }
  expect(served).toEqual([]);
});

it('asleep: looking does not wake it; a webhook does, and the session goes on', async () => {
  // As E2B does when its time is over.
  await world.Sandbox.pause(routerId);
  expect(await world.status()).toMatchObject({ state: 'paused', problems: [] });
  expect(await command('deploy', 'e2b', 'logs')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('add --wake'),
  });
  expect((await world.Sandbox.getInfo(routerId)).state).toBe('paused');
  const turn = await takeTurn(world.anthropic, sessionId, 'Use bash to cat /mnt/session/file.');
  expect(turn.answer).toContain('kept');
  expect(await world.status()).toMatchObject({ state: 'running', worker: 'runs' });
});

it('may be repeated: the sandbox is found, and a wrong setting is refused before anything happens', async () => {
  const { code, stdout } = await world.deploy();
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ sandboxId: routerId, created: false });
  const wrong = await world.command(['deploy', 'e2b', '--yes'], { E2B_API_KEY: 'sk-ant-api03-wrong' });
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('but holds an API key of your Anthropic'),
  });
});

it('a worker of another deployment polls the same environment: a warning', async () => {
  const { url, environmentId, environmentKey } = world.simulators.connection.anthropic;
  const poll = () =>
    fetch(`${url}/v1/environments/${environmentId}/work/poll`, {
      headers: {
        authorization: `Bearer ${environmentKey}`,
        'anthropic-beta': 'managed-agents-2026-04-01',
        'anthropic-version': '2023-06-01',
        'anthropic-worker-id': 'start-on-a-laptop',
      },
    });
  expect((await poll()).ok).toBe(true);
  const { code, stdout, stderr } = await world.deploy();
  const others = expect.stringContaining('was polled by 1 worker beside those of this deployment');
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: others });
  expect(JSON.parse(stdout)).toMatchObject({ warnings: [others] });
});

it('killed and made anew, without its database: the session is found again, and its sandbox by its proof', async () => {
  await world.Sandbox.kill(routerId);
  // Asked while no router runs: no webhook is delivered.
  const sent = takeTurn(
    world.anthropic,
    sessionId,
    'Use bash to cat /mnt/session/file; echo more >> /mnt/session/file.',
  );
  // The answer to the first attempt is lost; the next one finds what it has made.
  const fault = { route: 'sandbox.create', kind: 'commit-then-drop', times: 1 };
  await world.simulators.admin('e2b', 'POST', 'faults', fault);
  const lost = await world.deploy();
  expect(lost).toMatchObject({ code: 5, stderr: expect.not.stringContaining('Build finished') });
  const { code, stdout, stderr } = await world.deploy();
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const { sandboxId, created } = JSON.parse(stdout);
  expect({ created, isNew: sandboxId !== routerId }).toEqual({ created: false, isNew: true });
  routerId = sandboxId;
  expect((await sent).answer).toContain('kept');
  const logs = await command('deploy', 'e2b', 'logs', 'worker', '--lines', '1000');
  expect(logs.stdout).toMatch(new RegExp(`"sessionId":"${sessionId}".*"how":"adopted"`));
});

it('two routers of one environment: refused and named; the one that a person made serves alone after that', async () => {
  const { metadata } = await world.Sandbox.getInfo(routerId);
  const mine = await world.Sandbox.create(`managed-agents-router-inside-e2b:${metadata.release}`, {
    timeoutMs: 600_000,
    lifecycle: { onTimeout: 'pause', autoResume: true },
    metadata,
  });
  expect(await world.health(mine.sandboxId)).toMatchObject({ ok: true, signingKeySet: false });
  const refused = await world.deploy();
  expect(refused.code).toBe(4);
  for (const id of [routerId, mine.sandboxId]) expect(refused.stderr).toContain(id);
  expect(refused.stderr).toContain('destroy --sandbox ID');
  expect((await world.status()).problems.join()).toContain('2 sandboxes run a router');

  const removed = await command('deploy', 'e2b', 'destroy', '--yes', '--sandbox', routerId);
  expect(removed).toMatchObject({ code: 0, stderr: expect.stringContaining(`Removed: sandbox ${routerId}`) });
  routerId = mine.sandboxId;
  const { connection } = world.simulators;
  const keys = {
    'anthropic-base-url': connection.anthropic.url,
    'anthropic-environment-id': connection.anthropic.environmentId,
    'anthropic-environment-key': connection.anthropic.environmentKey,
    'anthropic-webhook-signing-key': await world.register(`http://${mine.getHost(8000)}/webhook`),
    'e2b-api-key': connection.e2b.apiKey,
    'e2b-api-url': connection.e2b.url,
    'e2b-sandbox-url': connection.e2b.url,
  };
  for (const [name, data] of Object.entries(keys)) await mine.files.write(`${CONFIG}/${name}`, data);
  await expect
    .poll(world.status, patient)
    .toMatchObject({ sandboxId: routerId, worker: 'runs', problems: [] });
  const turn = await takeTurn(world.anthropic, await world.newSession(), 'Use bash to echo by hand.');
  expect(turn.answer).toContain('by hand');

  // This router knows nothing of the first session, whose sandbox is gone as well: the model is told.
  const assigned = await world.Sandbox.list({ query: { metadata: { session: sessionId } } }).nextItems();
  for (const { sandboxId } of assigned) await world.Sandbox.kill(sandboxId);
  const told = await takeTurn(world.anthropic, sessionId, 'Use bash to echo again.');
  expect(JSON.stringify(told.events)).toContain('files written earlier no longer exist');
});

it('clean up: says the webhook first, and removes only when asked to', async () => {
  const asked = await command('deploy', 'e2b', 'destroy', '--template');
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') });
  expect(asked.stderr.indexOf('delete the webhook')).toBeLessThan(asked.stderr.indexOf('To be removed'));
  const { code, stdout } = await command('--json', 'deploy', 'e2b', 'destroy', '--template', '--yes');
  expect(code).toBe(0);
  expect(JSON.parse(stdout).removed).toEqual([
    `sandbox ${routerId}`,
    'template managed-agents-router-inside-e2b',
  ]);
  expect(await command('deploy', 'e2b', 'status')).toMatchObject({ code: 3 });
  const again = await command('deploy', 'e2b', 'destroy', '--yes');
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('There is nothing to remove') });
});

function portOf(name: 'anthropic' | 'e2b'): number {
  return Number(new URL(world.simulators.connection[name].url).port);
}
