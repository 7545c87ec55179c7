// Wrong requests to a sandbox get the documented errors, and neither sandbox nor simulator fails.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectFrames, frame, routing } from './e2b-raw.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let sandbox: Sandbox;
let openFiles: number;

beforeAll(async () => {
  e2b = await startE2BSimulator();
  sandbox = await e2b.Sandbox.create('base', { timeoutMs: 3_600_000 });
  // Use everything once before counting open files, because some modules are loaded on first use.
  await sandbox.files.write('first', 'x', { metadata: { a: 'b' } });
  openFiles = await agentFiles();
});
afterEach(async () => {
  expect((await sandbox.commands.run('echo alive')).stdout).toBe('alive\n');
  // The aborted requests must not leave open files.
  await expect.poll(agentFiles, { timeout: 5_000 }).toBeLessThanOrEqual(openFiles);
});
afterAll(() => e2b?.end());

/** Open files of the sandbox's agent. */
async function agentFiles(): Promise<number> {
  const count = 'ls /proc/$(pgrep -of agent.mjs)/fd | wc -l';
  return Number((await sandbox.commands.run(count, { user: 'root' })).stdout);
}

async function call(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await fetch(`${e2b.url}${path}`, {
    method: 'POST',
    headers: { ...routing(sandbox), 'content-type': 'application/json', ...headers },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
}

describe('calls', () => {
  test.each([
    ['filesystem.Filesystem/Stat', '{"path":', 'not JSON'],
    ['filesystem.Filesystem/Stat', '[]', 'JSON object'],
    ['filesystem.Filesystem/Stat', 'null', 'JSON object'],
    ['filesystem.Filesystem/Stat', '{"path":7}', 'field path must be a string'],
    ['filesystem.Filesystem/Stat', '{"path":"a\\u0000b"}', 'null bytes'],
    ['filesystem.Filesystem/Stat', JSON.stringify({ path: 'x'.repeat(5000) }), 'ENAMETOOLONG'],
    ['filesystem.Filesystem/ListDir', '{"path":"/","depth":-1}', 'field depth'],
    ['filesystem.Filesystem/ListDir', '{"path":"/","depth":"1e9"}', 'field depth'],
    ['filesystem.Filesystem/CreateWatcher', '{"path":"/tmp","recursive":"yes"}', 'field recursive'],
    ['process.Process/SendInput', '{"process":[]}', 'field process, must be a JSON object'],
    ['process.Process/SendInput', '{"process":{"pid":-1}}', 'field pid'],
    ['process.Process/SendInput', '{"process":{"pid":1.5}}', 'field pid'],
  ])('%s of %s is an invalid argument', async (method, body, words) => {
    expect(await call(`/${method}`, body)).toEqual({
      status: 400,
      body: { code: 'invalid_argument', message: expect.stringContaining(words) },
    });
  });

  test('of unknown methods or in another format get an error that names them', async () => {
    expect(await call('/process.Process/Dance', '{}')).toMatchObject({
      status: 501,
      body: { code: 'unimplemented', message: expect.stringContaining('/process.Process/Dance') },
    });
    expect((await call('/process.Process/toString', '{}')).status).toBe(501);
    expect((await call('/constructor', '{}')).status).toBe(501);
    expect((await call('/process.Process/List', 'x', { 'content-type': 'application/proto' })).status).toBe(
      415,
    );
    expect((await call('/init', '{}')).status).toBe(404);
    expect(
      await call('/process.Process/SendSignal', '{"process":{"pid":1},"signal":"SIGNAL_DANCE"}'),
    ).toMatchObject({ status: 501 });
    expect(await call('/process.Process/SendInput', '{"process":{"tag":"none"},"input":{}}')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    expect((await call('/files?path=x', 'x', { 'content-type': 'x/y' })).status).toBe(400);
  });

  test('with a body larger than any message may be', async () => {
    const answer = await call('/filesystem.Filesystem/Stat', Buffer.alloc(65 * 1024 * 1024, ' '));
    expect(answer).toMatchObject({ status: 429, body: { code: 'resource_exhausted' } });
  });
});

describe('streams', () => {
  const endOf = async (
    body: Buffer,
    headers: Record<string, string> = {},
    path = '/process.Process/Start',
  ) => {
    const answer = await fetch(`${e2b.url}${path}`, {
      method: 'POST',
      headers: { ...routing(sandbox), 'content-type': 'application/connect+json', ...headers },
      body,
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect([answer.status, bytes[0]]).toEqual([200, 2]);
    return (JSON.parse(bytes.subarray(5).toString()) as { error: { code: string; message: string } }).error;
  };
  const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0x7b]);

  test.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'invalid_argument'],
    ['half an envelope', Buffer.from([0, 0, 0]), 'invalid_argument'],
    ['half a message', frame({ process: {} }).subarray(0, 9), 'invalid_argument'],
    ['no JSON', frame('{'), 'invalid_argument'],
    ['unknown flags', frame({}, 4), 'invalid_argument'],
    ['a compressed message', frame({}, 1), 'unimplemented'],
    ['a length beyond all bounds', huge, 'resource_exhausted'],
    ['wrong types', frame({ process: { cmd: ['sh'] } }), 'invalid_argument'],
    ['variables that are no text', frame({ process: { cmd: 'sh', envs: { A: 1 } } }), 'invalid_argument'],
    ['a zero byte', frame({ process: { cmd: 'sh', args: ['a\0b'] } }), 'invalid_argument'],
    ['no such program', frame({ process: { cmd: '/bin/none' } }), 'invalid_argument'],
    ['no such program for a terminal', frame({ process: { cmd: '/bin/none' }, pty: {} }), 'invalid_argument'],
    [
      'a terminal too large',
      frame({ process: { cmd: 'sh' }, pty: { size: { rows: 70_000 } } }),
      'invalid_argument',
    ],
  ])('of %s end with the error', async (_what, body, code) => {
    expect(await endOf(body)).toMatchObject({ code });
  });

  test('of unknown methods, users and deadlines end with the error', async () => {
    const list = frame({});
    expect(await endOf(list, {}, '/process.Process/List')).toMatchObject({ code: 'unimplemented' });
    const stranger = { authorization: `Basic ${Buffer.from('stranger:').toString('base64')}` };
    expect(await endOf(list, stranger)).toEqual({
      code: 'unauthenticated',
      message: "invalid username: 'stranger'",
    });
    expect(await endOf(list, { 'connect-timeout-ms': 'soon' })).toMatchObject({ code: 'invalid_argument' });
    const first = connectFrames(e2b.url, sandbox, '/process.Process/StreamInput', [
      { data: { input: { stdin: 'eA==' } } },
    ]);
    expect((await first.next()).value).toMatchObject({ error: { code: 'invalid_argument' } });
  });

  test('that carry on after their message are read to the end', async () => {
    const message = frame({ process: { cmd: '/bin/sh', args: ['-c', 'exit 5'] } });
    const frames = await fetch(`${e2b.url}/process.Process/Start`, {
      method: 'POST',
      headers: { ...routing(sandbox), 'content-type': 'application/connect+json' },
      body: Buffer.concat([
        message,
        ...Array.from({ length: 50 }, () => frame({ more: 'x'.repeat(10_000) })),
      ]),
    });
    expect(await frames.text()).toContain('"exitCode":5');
  });
});

describe('paths', () => {
  test('lead only into the sandbox', async () => {
    await sandbox.commands.run(
      'ln -s ../../../../../../etc/hostname up; ln -s /proc/1/root/etc/hostname through',
    );
    for (const path of [
      '../../../../../../../../etc/hostname',
      '/home/user/up',
      '/home/user/through',
      '/proc/self/root/etc/hostname',
    ])
      expect(await sandbox.files.read(path, { user: 'root' })).toBe('e2b\n');
    await expect(sandbox.files.read(`${e2b.stateDir}/e2b.jsonl`, { user: 'root' })).rejects.toThrow(
      'not exist',
    );
  });
});

describe('connections', () => {
  const { hostname, port } = { hostname: '127.0.0.1', port: () => Number(new URL(e2b.url).port) };
  const head = (line: string, more = '') => {
    const headers = Object.entries(routing(sandbox)).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${line} HTTP/1.1\r\nhost: x\r\n${headers.join('')}${more}\r\n`;
  };
  const open = async () => {
    const socket = connect(port(), hostname);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  test('that are closed on one side end', async () => {
    for (const line of ['GET /files?path=/etc/hostname', 'POST /process.Process/Start', 'GET /none']) {
      const socket = await open();
      socket.resume();
      socket.end(head(line));
      await once(socket, 'close');
    }
  });

  test('that break off at any point leave nothing open', async () => {
    const long = 'content-length: 5000000\r\n';
    const part = 'content-disposition: form-data; name="file"; filename="/tmp/cut"';
    const lines = [
      `${head('POST /files?path=/tmp/plain', `${long}content-type: application/octet-stream\r\n`)}begun`,
      head(
        'POST /files?path=/tmp/packed',
        `${long}content-type: application/octet-stream\r\ncontent-encoding: gzip\r\n`,
      ),
      `${head('POST /files', `${long}content-type: multipart/form-data; boundary=b\r\n`)}--b\r\n${part}\r\n\r\nbegun`,
      `${head('POST /process.Process/Start', `${long}content-type: application/connect+json\r\n`)}\0\0`,
      `${head('POST /process.Process/List', `${long}content-type: application/json\r\n`)}{`,
      head('GET /process.Process/List', 'connection: upgrade\r\nupgrade: websocket\r\n'),
      'GET / HTT',
      'not http\r\n\r\n',
    ];
    for (const text of lines) {
      const socket = await open();
      socket.write(text);
      await new Promise((resolve) => setTimeout(resolve, 60));
      socket.destroy();
    }
    // Like in envd, the part that had arrived is in the file.
    await expect.poll(() => sandbox.files.read('/tmp/plain')).toBe('begun');
    expect(await sandbox.files.read('/tmp/cut')).toBe('begun');
  });

  test('are answered, a thousand at once', async () => {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, open));
    const answers = sockets.map(async (socket) => {
      socket.write(head('GET /health', 'connection: close\r\n'));
      let answer = '';
      for await (const chunk of socket) answer += chunk;
      return answer.slice(0, 12);
    });
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['HTTP/1.1 204']));
  });
});
