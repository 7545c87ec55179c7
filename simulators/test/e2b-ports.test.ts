// Traffic to the ports of local sandboxes: host names, tokens, WebSockets, closed connections.
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { routing } from './e2b-raw.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
const made: Sandbox[] = [];

beforeAll(async () => {
  e2b = await startE2BSimulator();
});
afterEach(async () => {
  await Promise.all(made.splice(0).map((sandbox) => sandbox.kill()));
});
afterAll(() => e2b?.end());

/** Answers with the request's own data; `/wait` never answers; upgraded connections are echoed. */
const SERVER = `
const { createServer } = require('node:http');
const tls = process.argv[4] && { key: require('fs').readFileSync('key.pem'), cert: require('fs').readFileSync('cert.pem') };
const make = tls ? (handler) => require('node:https').createServer(tls, handler) : createServer;
make((request, response) => {
  if (request.url === '/wait') return response.write('begun');
  response.setHeader('X-Twice', ['one', 'two']);
  response.end(JSON.stringify({ host: request.headers.host, raw: request.rawHeaders, url: request.url }));
}).on('upgrade', (request, socket, head) => {
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: echo\\r\\nconnection: upgrade\\r\\n\\r\\n');
  socket.write(head);
  socket.pipe(socket);
}).listen(Number(process.argv[2]), process.argv[3]);`;

async function serving(options: Parameters<typeof e2b.Sandbox.create>[1] = {}, args = '8000 127.0.0.1') {
  const sandbox = await e2b.Sandbox.create('base', options);
  made.push(sandbox);
  await sandbox.files.write('server.cjs', SERVER);
  if (args.endsWith('tls'))
    await sandbox.commands.run(
      'openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=x',
    );
  await sandbox.commands.run(`node server.cjs ${args}`, { background: true, timeoutMs: 0 });
  const port = args.split(' ')[0];
  await sandbox.commands.run(
    `for i in $(seq 200); do ss -ltn | grep -q :${port} && exit; sleep 0.05; done; exit 1`,
  );
  return sandbox;
}

interface Answer {
  status: number | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** Not with fetch, which cannot set Host. Resolves with the answer, or with the part before it was cut. */
function ask(headers: Record<string, string>, path = '/', agent?: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${e2b.url}${path}`, { headers, ...(agent ? { agent } : {}) }, (answer) => {
      let body = '';
      const done = () => resolve({ status: answer.statusCode, headers: answer.headers, body });
      answer.on('data', (chunk) => {
        body += chunk;
      });
      answer.on('end', done);
      answer.on('error', () => {
        body += ' cut';
        done();
      });
    });
    outgoing.once('error', reject).end();
  });
}

/** Resolves with the upgraded connection, or with the refusal. */
function upgrade(headers: Record<string, string>): Promise<Socket | IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request(e2b.url, { headers: { ...headers, connection: 'Upgrade', upgrade: 'echo' } });
    outgoing.once('upgrade', (_answer, socket) => resolve(socket as Socket));
    outgoing.once('response', resolve);
    outgoing.once('error', reject).end();
  });
}

describe('a port', () => {
  test('is reached under any domain, envd under its own port; headers are forwarded unchanged', async () => {
    const sandbox = await serving();
    const { sandboxId } = sandbox;
    for (const host of [sandbox.getHost(8000), `8000-${sandboxId}.example.com`]) {
      const { status, body, headers } = await ask({
        host,
        'X-MixedCase': 'kept',
        'x-access-token': 'an app`s',
      });
      expect([status, headers['x-twice']]).toEqual([200, 'one, two']);
      expect(JSON.parse(body)).toMatchObject({
        host,
        raw: expect.arrayContaining(['X-MixedCase', 'an app`s']),
      });
    }
    const envd = { ...routing(sandbox), host: `49983-${sandboxId}.any.test` };
    expect((await ask({ host: envd.host }, '/health')).status).toBe(204);
    expect((await ask(envd, '/files?path=server.cjs')).body).toBe(SERVER);
    // The host name takes precedence over the headers.
    expect((await ask({ ...routing(sandbox, 1), host: `8000-${sandboxId}.x.test` })).status).toBe(200);
  });

  test('survives clients that leave while their connection is being made', async () => {
    const sandbox = await serving();
    for (let waited = 0; waited < 20; waited += 1) {
      const outgoing = request(e2b.url, { headers: routing(sandbox, 8000) });
      outgoing.on('error', () => undefined).end();
      await new Promise((resolve) => setTimeout(resolve, waited / 2));
      outgoing.destroy();
    }
    expect((await ask(routing(sandbox, 8000))).status).toBe(200);
  });

  test('that is closed answers 502, for a browser with a page; so does an unknown sandbox', async () => {
    const sandbox = await serving();
    const closed = await ask(routing(sandbox, 3000));
    expect([closed.status, JSON.parse(closed.body)]).toEqual([
      502,
      {
        sandboxId: sandbox.sandboxId,
        message: 'The sandbox is running but port is not open',
        port: 3000,
        code: 502,
      },
    ]);
    const page = await ask({ ...routing(sandbox, 3000), 'user-agent': 'Mozilla/5.0 (X11)' });
    expect([page.status, page.body]).toEqual([
      502,
      expect.stringContaining('<title>Closed Port Error</title>'),
    ]);
    const unknown = await ask({ host: '8000-iabcdefghij0123456789.e2b.app' });
    expect([unknown.status, JSON.parse(unknown.body).message]).toEqual([502, 'The sandbox was not found']);
    expect((await ask({ 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': 'x' })).status).toBe(400);
  });

  test('may be on the loopback of IPv6, speak TLS, and receive another host name', async () => {
    const network = { httpsPorts: [8443], maskRequestHost: 'localhost:${PORT}' };
    const [six, secure] = await Promise.all([
      serving({ network: { maskRequestHost: 'fixed.test' } }, '8006 ::1'),
      serving({ network }, '8443 127.0.0.1 tls'),
    ]);
    expect(JSON.parse((await ask(routing(six, 8006))).body).host).toBe('fixed.test');
    expect(JSON.parse((await ask(routing(secure, 8443))).body).host).toBe('localhost:8443');
  });

  test('that is private wants the token', async () => {
    const sandbox = await serving({ network: { allowPublicTraffic: false } });
    const refused = await ask(routing(sandbox, 8000));
    expect([refused.status, JSON.parse(refused.body)]).toEqual([
      403,
      {
        sandboxId: sandbox.sandboxId,
        code: 403,
        message: expect.stringContaining('e2b-traffic-access-token'),
      },
    ]);
    const token = { 'e2b-traffic-access-token': sandbox.trafficAccessToken as string };
    const passed = await ask({ ...routing(sandbox, 8000), ...token });
    expect(passed.status).toBe(200);
    expect(passed.body).not.toContain(sandbox.trafficAccessToken);
    expect(((await upgrade(routing(sandbox, 8000))) as IncomingMessage).statusCode).toBe(403);
    const socket = (await upgrade({ ...routing(sandbox, 8000), ...token })) as Socket;
    socket.destroy();
  });

  test('forwards upgraded connections in both directions', async () => {
    const sandbox = await serving();
    const socket = (await upgrade({ host: sandbox.getHost(8000) })) as Socket;
    let back = '';
    socket.on('data', (chunk) => {
      back += chunk;
    });
    socket.write('ping '.repeat(50_000));
    await expect.poll(() => back.length).toBe(250_000);
    socket.end();
    await new Promise((resolve) => socket.once('close', resolve));
    const closed = (await upgrade(routing(sandbox, 3000))) as IncomingMessage;
    expect(closed.statusCode).toBe(502);
  });
});

describe('pausing and killing', () => {
  test('close requests in flight, but no idle connection that served the sandbox before', async () => {
    const [sandbox, other] = await Promise.all([serving(), serving()]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const kept = { ...routing(sandbox, 8000) };
    await ask(kept, '/', agent);
    const [connection] = Object.values(agent.freeSockets).flat();

    const waiting = ask(routing(sandbox, 8000), '/wait');
    const socket = (await upgrade(routing(sandbox, 8000))) as Socket;
    const dropped = new Promise((resolve) => socket.once('close', resolve));
    const others = (await upgrade(routing(other, 8000))) as Socket;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await sandbox.pause();
    expect((await waiting).body).toBe('begun cut');
    await dropped;

    expect((await ask(routing(other, 8000), '/', agent)).status).toBe(200);
    expect(Object.values(agent.freeSockets).flat()).toEqual([connection]);
    expect((await ask(kept, '/', agent)).status).toBe(502);
    const echoed = new Promise((resolve) => others.once('data', (chunk) => resolve(String(chunk))));
    others.write('still here');
    expect(await echoed).toBe('still here');
    await other.kill();
    await new Promise((resolve) => (others.closed ? resolve(0) : others.once('close', resolve)));
    agent.destroy();
  });

  test('traffic on any port resumes a sandbox with autoResume; a probe without the token does not', async () => {
    const sandbox = await serving({ lifecycle: { onTimeout: 'pause', autoResume: true } });
    await sandbox.pause();
    const { 'x-access-token': _token, ...anonymous } = routing(sandbox);
    expect((await ask(anonymous, '/health')).status).toBe(401);
    expect((await sandbox.getInfo()).state).toBe('paused');
    const answers = await Promise.all([1, 2, 3].map(() => ask(routing(sandbox, 8000))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await sandbox.getInfo()).state).toBe('running');
    await sandbox.pause();
    const socket = (await upgrade(routing(sandbox, 8000))) as Socket;
    expect((await sandbox.getInfo()).state).toBe('running');
    socket.destroy();
  });
});

describe('signed addresses', () => {
  test('lead to their sandbox without any header, until they expire', async () => {
    const sandbox = await e2b.Sandbox.create();
    made.push(sandbox, await e2b.Sandbox.create());
    await sandbox.files.write('hello.txt', 'hello', { user: 'root' });
    const read = await sandbox.downloadUrl('hello.txt', { user: 'root', useSignatureExpiration: 60 });
    expect(await (await fetch(read)).text()).toBe('hello');
    const form = new FormData();
    form.append('file', 'content');
    const write = await sandbox.uploadUrl('up.txt', { user: 'root', useSignatureExpiration: 60 });
    const written = await fetch(write, { method: 'POST', body: form });
    expect(await written.json()).toEqual([{ name: 'up.txt', path: '/root/up.txt', type: 'file' }]);

    const late = await fetch(await sandbox.downloadUrl('hello.txt', { useSignatureExpiration: -60 }));
    expect([late.status, await late.json()]).toEqual([
      401,
      { code: 401, message: 'signature is already expired' },
    ]);
    const { 'x-access-token': _token, ...anonymous } = routing(sandbox);
    const asked = async (address: string) =>
      (await (await fetch(address, { headers: anonymous })).json()) as object;
    expect(await asked(`${e2b.url}/files?path=x`)).toEqual({
      code: 401,
      message: 'missing signature query parameter',
    });
    // The signature is valid for this method and path only.
    expect(await asked(write)).toEqual({ code: 401, message: 'invalid signature' });
    expect(await asked(read.replace('hello.txt', 'other.txt'))).toEqual({
      code: 401,
      message: 'invalid signature',
    });
  });
});
