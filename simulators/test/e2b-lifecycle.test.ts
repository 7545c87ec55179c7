// The life cycle of local sandboxes through the unmodified SDK: pause, resume, time-outs, lists, templates, faults.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  E2B,
  NotFoundError,
  RateLimitError,
  type Sandbox,
  SandboxError,
  SandboxNotFoundError,
  ServiceBusyError,
} from 'e2b';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-templates-'));
  const templates = await Promise.all([
    manifest('greeter', {
      startCmd: 'node /opt/greeter/server.cjs',
      readyCmd: 'exec 3<>/dev/tcp/127.0.0.1/8000',
      env: { NAME: 'greeter' },
      workdir: '/mnt/session',
      user: 'user',
    }),
    manifest('broken', { startCmd: 'echo no such luck >&2; exit 7', readyCmd: 'false' }),
  ]);
  e2b = await startE2BSimulator({ templates });
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await e2b.admin('DELETE', '/faults');
  await e2b.admin('PATCH', '/switches', { resume: 'memory', 'concurrent-sandboxes': 0 });
  const pages = e2b.Sandbox.list();
  while (pages.hasNext)
    for (const { sandboxId } of await pages.nextItems()) await e2b.Sandbox.kill(sandboxId);
});

/** A template whose program listens on port 8000 and counts the requests since it started. */
async function manifest(name: string, settings: object): Promise<string> {
  const tree = join(folder, name);
  await mkdir(join(tree, 'opt/greeter'), { recursive: true });
  await mkdir(join(tree, 'mnt/session/inbox'), { recursive: true });
  await writeFile(
    join(tree, 'opt/greeter/server.cjs'),
    `let count = 0;
    require('node:http').createServer((request, response) => {
      count += 1;
      response.end([process.env.NAME, process.env.SECRET, process.cwd(), process.getuid(), count].join(' '));
    }).listen(8000);`,
  );
  const path = join(folder, `${name}.json`);
  await writeFile(path, JSON.stringify({ name, dir: name, ...settings }));
  return path;
}

async function ask(sandbox: Sandbox, port = 8000): Promise<[number, string]> {
  const answer = await fetch(e2b.url, {
    headers: {
      'e2b-sandbox-id': sandbox.sandboxId,
      'e2b-sandbox-port': String(port),
      ...(sandbox.trafficAccessToken ? { 'e2b-traffic-access-token': sandbox.trafficAccessToken } : {}),
    },
  });
  return [answer.status, await answer.text()];
}

const stateOf = async ({ sandboxId }: Sandbox) => (await e2b.Sandbox.getInfo(sandboxId)).state;

describe('pause and resume', () => {
  test('keep processes, their memory, and files', async () => {
    const sandbox = await e2b.Sandbox.create('greeter', { envs: { SECRET: 'late' } });
    const first = await sandbox.commands.run(
      'echo kept > ~/kept.txt; n=0; while :; do n=$((n+1)); echo $n > /tmp/ticks; sleep 0.01; done',
      { background: true, timeoutMs: 0 },
    );
    // The template's process has the template's variables, not those of the sandbox.
    expect(await ask(sandbox)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    first.wait().catch(() => undefined);
    await first.disconnect();

    expect(await sandbox.pause()).toBe(true);
    expect(await e2b.Sandbox.pause(sandbox.sandboxId)).toBe(false);
    expect(await stateOf(sandbox)).toBe('paused');
    await expect(sandbox.commands.run('true')).rejects.toBeInstanceOf(SandboxNotFoundError);
    expect((await ask(sandbox))[0]).toBe(502);

    const again = await e2b.Sandbox.connect(sandbox.sandboxId, { timeoutMs: 60_000 });
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 2']);
    expect((await again.commands.list()).map(({ pid }) => pid)).toContain(first.pid);
    expect(await again.files.read('kept.txt')).toBe('kept\n');
    const ticks = Number(await again.files.read('/tmp/ticks'));
    await expect.poll(async () => Number(await again.files.read('/tmp/ticks'))).toBeGreaterThan(ticks);
    // Variables given at creation survive the pause.
    expect((await again.commands.run('echo $SECRET')).stdout).toBe('late\n');
    await again.kill();
  });

  test('frozen processes do not run', async () => {
    const sandbox = await e2b.Sandbox.create();
    const loop = 'n=0; while :; do n=$((n+1)); echo $n > /tmp/ticks; sleep 0.005; done';
    const handle = await sandbox.commands.run(loop, { background: true, timeoutMs: 0 });
    handle.wait().catch(() => undefined);
    await handle.disconnect();
    const file = join(e2b.stateDir, 'sandboxes', sandbox.sandboxId, 'root/tmp/ticks');
    const ticks = () => readFile(file, 'utf8');
    await expect.poll(ticks).toContain('\n');
    await sandbox.pause();
    const paused = await ticks();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ticks()).toBe(paused);
    await sandbox.connect();
    await expect.poll(ticks).not.toBe(paused);
    await sandbox.kill();
  });

  test('without memory only the files stay, and the template starts again', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await sandbox.files.write('/mnt/session/kept.txt', 'kept');
    await ask(sandbox);
    await sandbox.commands.run('apt=/usr/local/lib/own; mkdir -p $apt && echo own > $apt/file', {
      user: 'root',
    });
    await sandbox.pause({ keepMemory: false });
    const again = await e2b.Sandbox.connect(sandbox.sandboxId);
    expect(await again.files.read('/mnt/session/kept.txt')).toBe('kept');
    expect(await again.files.read('/usr/local/lib/own/file')).toBe('own\n');
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await again.kill();
  });

  test('a switch makes every resume a reboot, and the admin interface restarts a sandbox', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await ask(sandbox);
    await e2b.admin('PATCH', '/switches', { resume: 'reboot' });
    await sandbox.pause();
    const again = await e2b.Sandbox.connect(sandbox.sandboxId);
    await e2b.admin('PATCH', '/switches', { resume: 'memory' });
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/restart`);
    expect(await ask(again)).toEqual([200, 'greeter  /mnt/session 1000 1']);
    await again.kill();
  });

  test('the boot id is its own, kept with the memory and new after each boot', async () => {
    const [sandbox, other] = await Promise.all([e2b.Sandbox.create(), e2b.Sandbox.create()]);
    const bootId = (of: Sandbox) => of.files.read('/proc/sys/kernel/random/boot_id');
    const first = await bootId(sandbox);
    await sandbox.pause();
    await sandbox.connect();
    expect(await bootId(sandbox)).toBe(first);
    await sandbox.pause({ keepMemory: false });
    await sandbox.connect();
    const host = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const all = [first, await bootId(sandbox), await bootId(other), host];
    expect(new Set(all).size).toBe(4);
    expect(first).toMatch(/^[0-9a-f-]{36}\n$/);
    await Promise.all([sandbox.kill(), other.kill()]);
  });

  test('traffic resumes a sandbox with autoResume, if it has the token', async () => {
    const sandbox = await e2b.Sandbox.create('greeter', {
      lifecycle: { onTimeout: 'pause', autoResume: true },
      network: { allowPublicTraffic: false },
    });
    expect((await ask(sandbox))[1]).toContain(' 1');
    const headers = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8000' };
    await sandbox.pause();
    expect((await fetch(e2b.url, { headers })).status).toBe(403);
    expect(await stateOf(sandbox)).toBe('paused');
    expect((await ask(sandbox))[1]).toContain(' 2');
    expect(await stateOf(sandbox)).toBe('running');
    await sandbox.pause();
    expect((await sandbox.commands.run('echo awake')).stdout).toBe('awake\n');
    await sandbox.kill();
  });

  test('a client with an open stream resumes it again at once', async () => {
    const sandbox = await e2b.Sandbox.create('base', { lifecycle: { onTimeout: 'pause', autoResume: true } });
    const handle = await sandbox.commands.run('sleep 100', { background: true, timeoutMs: 0 });
    const ended = handle.wait().catch((error: unknown) => error);
    await sandbox.pause();
    expect(await ended).toBeInstanceOf(SandboxError);
    expect(await stateOf(sandbox)).toBe('running');
    await sandbox.kill();
  });
});

describe('time', () => {
  test('kills a sandbox, or pauses it if it was created so', async () => {
    const mortal = await e2b.Sandbox.create('base', { timeoutMs: 60_000 });
    const patient = await e2b.Sandbox.create('base', {
      timeoutMs: 60_000,
      lifecycle: { onTimeout: 'pause' },
    });
    const extended = await e2b.Sandbox.create('base', { timeoutMs: 60_000 });
    await extended.setTimeout(600_000);
    await extended.connect({ timeoutMs: 1_000 });
    await e2b.admin('POST', '/clock', { advanceMs: 61_000 });
    await expect
      .poll(() => stateOf(mortal).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await expect.poll(() => stateOf(patient)).toBe('paused');
    // Connecting never shortens the time-out.
    expect(await stateOf(extended)).toBe('running');
    const info = await e2b.Sandbox.getInfo(patient.sandboxId);
    expect(info.lifecycle).toMatchObject({ onTimeout: 'pause', autoResume: false });
    // Refused with 409 during the pause.
    await expect
      .poll(() => patient.setTimeout(1000).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await extended.setTimeout(0);
    await expect
      .poll(() => stateOf(extended).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
    await patient.kill();
  });

  test('beyond the plan is refused', async () => {
    await expect(e2b.Sandbox.create('base', { timeoutMs: 25 * 3_600_000 })).rejects.toThrow('24 hours');
  });
});

describe('lists', () => {
  test('filter by metadata and state, in pages', async () => {
    const metadata = { owner: 'a=b&c d', kind: 'listed' };
    const made = await Promise.all(
      [1, 2, 3].map((n) => e2b.Sandbox.create('base', { metadata: { ...metadata, n: `${n}` } })),
    );
    const other = await e2b.Sandbox.create('base', { metadata: { kind: 'other' } });
    await made[0]?.pause();
    const all = async (query: object, limit?: number) => {
      const pages = e2b.Sandbox.list({ query, ...(limit ? { limit } : {}) });
      const found: string[][] = [];
      while (pages.hasNext) found.push((await pages.nextItems()).map(({ metadata: { n } }) => n ?? ''));
      return found;
    };
    expect((await all({ metadata })).flat().sort()).toEqual(['1', '2', '3']);
    expect((await all({ metadata: { ...metadata, n: '2' } })).flat()).toEqual(['2']);
    expect((await all({ metadata, state: ['paused'] })).flat()).toEqual(['1']);
    expect((await all({ metadata, state: ['running'] })).flat().sort()).toEqual(['2', '3']);
    const pages = await all({ metadata }, 2);
    expect(pages.map(({ length }) => length)).toEqual([2, 1]);
    expect(pages.flat().sort()).toEqual(['1', '2', '3']);
    const v1 = await fetch(`${e2b.url}/sandboxes`, { headers: { 'x-api-key': e2b.apiKey } });
    expect(((await v1.json()) as unknown[]).length).toBe(3);
    await Promise.all([...made, other].map((sandbox) => sandbox.kill()));
    expect((await all({})).flat()).toEqual([]);
  });
});

describe('refusals', () => {
  test('name what is wrong or missing', async () => {
    await expect(e2b.Sandbox.create('unknown')).rejects.toThrow("template 'unknown' not found");
    await expect(e2b.Sandbox.create('unknown')).rejects.toMatchObject({ statusCode: 404 });
    await expect(e2b.Sandbox.create('broken')).rejects.toThrow('no such luck');
    await expect(e2b.Sandbox.connect('iabcabcabcabcabcabcab')).rejects.toBeInstanceOf(NotFoundError);
    await expect(e2b.Sandbox.getInfo('../secrets')).rejects.toMatchObject({ statusCode: 400 });
    const network = { denyOut: ['0.0.0.0/0'], allowOut: ['api.example.com'] };
    await expect(e2b.Sandbox.create('base', { network })).rejects.toThrow('network.allowOut');
    const stranger = new E2B({ apiKey: 'e2b_0000', apiUrl: e2b.url, sandboxUrl: e2b.url });
    await expect(stranger.Sandbox.create()).rejects.toThrow('X-API-KEY');
    expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
  });
});

describe('an id', () => {
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${e2b.url}${path}`, {
      method,
      headers: { 'x-api-key': e2b.apiKey, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return [answer.status, await answer.json()];
  };
  const routes: [method: string, path: string, body?: unknown][] = [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/connect', { timeout: 60 }],
    ['POST', '/pause', {}],
    ['POST', '/resume', {}],
    ['POST', '/timeout', { timeout: 60 }],
    ['POST', '/refreshes', {}],
    ['POST', '/snapshots', {}],
    ['POST', '/fork', {}],
    ['PUT', '/network', {}],
    ['GET', '/metrics'],
    ['GET', '/logs'],
  ];

  test('that does not exist gets 404 from every route, an invalid id gets 400', async () => {
    for (const [method, path, body] of routes) {
      expect([path, ...(await ask(method, `/sandboxes/nonexistingsandbox${path}`, body))]).toEqual([
        path,
        404,
        { code: 404, message: expect.stringContaining('nonexistingsandbox') },
      ]);
      expect([path, ...(await ask(method, `/sandboxes/not%20an%20id${path}`, body))]).toEqual([
        path,
        400,
        { code: 400, message: 'invalid sandbox ID: not an id' },
      ]);
    }
    expect(await e2b.Sandbox.kill('nonexistingsandbox')).toBe(false);
  });

  test('may have a client id appended', async () => {
    const { sandboxId } = await e2b.Sandbox.create();
    const named = `/sandboxes/${sandboxId}-client`;
    expect((await ask('GET', `${named}/metrics`))[0]).toBe(200);
    expect((await ask('GET', `${named}/logs`))[0]).toBe(200);
    expect((await ask('POST', `${named}/snapshots`, {}))[0]).toBe(201);
    expect(await e2b.Sandbox.kill(`${sandboxId}-client`)).toBe(true);
  });
});

describe('faults', () => {
  const fault = (rule: object) => e2b.admin('POST', '/faults', rule);

  test('of the control plane come before or after the request takes effect', async () => {
    await fault({ route: 'sandbox.create', kind: 'status', status: 429, times: 1 });
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(RateLimitError);
    await fault({ route: 'sandbox.create', kind: 'status', status: 503, times: 1 });
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(ServiceBusyError);
    expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
    await fault({ route: 'sandbox.create', kind: 'commit-then-drop', times: 1 });
    await expect(e2b.Sandbox.create('base', { metadata: { attempt: '1' } })).rejects.toThrow();
    const [orphan] = await e2b.Sandbox.list({ query: { metadata: { attempt: '1' } } }).nextItems();
    const sandbox = await e2b.Sandbox.connect(orphan?.sandboxId ?? '');
    await fault({ route: 'sandbox.pause', kind: 'status', status: 500, times: 1 });
    await expect(sandbox.pause()).rejects.toMatchObject({ statusCode: 500 });
    expect(await stateOf(sandbox)).toBe('running');
    await fault({ route: 'sandbox.connect', kind: 'status', status: 404, times: 1 });
    await expect(sandbox.connect()).rejects.toBeInstanceOf(SandboxNotFoundError);
    for (const route of ['sandbox.get', 'sandbox.timeout', 'sandbox.kill', 'sandbox.list']) {
      await fault({ route, kind: 'status', status: 418, times: 1 });
    }
    await expect(stateOf(sandbox)).rejects.toMatchObject({ statusCode: 418 });
    await expect(sandbox.setTimeout(1)).rejects.toMatchObject({ statusCode: 418 });
    await expect(sandbox.kill()).rejects.toMatchObject({ statusCode: 418 });
    await expect(e2b.Sandbox.list().nextItems()).rejects.toMatchObject({ statusCode: 418 });
    expect(await sandbox.kill()).toBe(true);
  });

  test('of the data plane hit commands and ports', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await fault({ route: 'port', match: sandbox.sandboxId, kind: 'status', status: 502, times: 1 });
    expect((await ask(sandbox))[0]).toBe(502);
    await fault({ route: 'port', kind: 'commit-then-drop', times: 1 });
    await expect(ask(sandbox)).rejects.toThrow();
    expect((await ask(sandbox))[1]).toContain(' 2');
    await fault({ route: 'envd', match: 'Process/Start', kind: 'cut-stream', times: 1 });
    await expect(sandbox.commands.run('echo done > /tmp/done')).rejects.toThrow();
    await expect.poll(() => sandbox.files.exists('/tmp/done')).toBe(true);
    await fault({ route: 'envd', match: 'Process/Start', kind: 'drop', times: 1 });
    await expect(sandbox.commands.run('echo done > /tmp/never')).rejects.toThrow();
    expect(await sandbox.files.exists('/tmp/never')).toBe(false);
    await sandbox.kill();
  });

  test('a vanished sandbox is gone for all clients', async () => {
    const sandbox = await e2b.Sandbox.create('greeter');
    await e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/vanish`);
    await expect(stateOf(sandbox)).rejects.toBeInstanceOf(SandboxNotFoundError);
    await expect(e2b.Sandbox.connect(sandbox.sandboxId)).rejects.toBeInstanceOf(NotFoundError);
    expect(await sandbox.kill()).toBe(false);
    expect((await ask(sandbox))[0]).toBe(502);
    await expect(e2b.admin('POST', `/sandboxes/${sandbox.sandboxId}/vanish`)).rejects.toThrow('404');
  });

  test('a sandbox that ends by itself is gone', async () => {
    const sandbox = await e2b.Sandbox.create();
    await sandbox.commands.run('kill -9 $(pgrep -f agent.mjs)', { user: 'root' }).catch(() => undefined);
    await expect
      .poll(() => stateOf(sandbox).catch((error: unknown) => error))
      .toBeInstanceOf(SandboxNotFoundError);
  });

  test('the number of running sandboxes can be limited', async () => {
    await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 1 });
    const sandbox = await e2b.Sandbox.create();
    await expect(e2b.Sandbox.create()).rejects.toBeInstanceOf(RateLimitError);
    await sandbox.pause();
    const next = await e2b.Sandbox.create();
    await expect(sandbox.connect()).rejects.toBeInstanceOf(RateLimitError);
    await next.kill();
    const sleeper = await e2b.Sandbox.create('greeter', {
      lifecycle: { onTimeout: 'pause', autoResume: true },
    });
    await sleeper.pause();
    await sandbox.connect();
    const [status, body] = await ask(sleeper);
    expect([status, JSON.parse(body)]).toMatchObject([429, { sandboxId: sleeper.sandboxId, code: 429 }]);
    await e2b.admin('PATCH', '/switches', { 'concurrent-sandboxes': 0 });
    await Promise.all([sandbox.kill(), sleeper.kill()]);
  });
});
