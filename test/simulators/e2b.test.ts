// Commands, files and ports of a local sandbox, driven by the unmodified SDK.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CommandExitError, FileNotFoundError, type Sandbox, TimeoutError } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StandIn, standIn } from './e2b-stand-in.ts';

let e2b: StandIn;
let sandbox: Sandbox;

const hostServer = createServer((request, response) => response.end(`host says ${request.url}`));

beforeAll(async () => {
  await new Promise<void>((resolve) => hostServer.listen(0, '127.0.0.1', resolve));
  e2b = await standIn({ hostPorts: [hostPort()] });
  sandbox = await e2b.Sandbox.create('base', { envs: { GREETING: 'hello' }, timeoutMs: 3_600_000 });
});
afterAll(async () => {
  await e2b?.end();
  hostServer.close();
});

describe('commands', () => {
  test('run as the user, with environment, folder and exit code', async () => {
    const result = await sandbox.commands.run('echo "$GREETING $NAME, $(whoami) in $PWD"; echo oops >&2', {
      envs: { NAME: 'world' },
    });
    expect(result).toMatchObject({
      stdout: 'hello world, user in /home/user\n',
      stderr: 'oops\n',
      exitCode: 0,
    });
    const root = await sandbox.commands.run('echo "$(id -u) $HOME $PWD"', { user: 'root', cwd: '/tmp' });
    expect(root.stdout).toBe('0 /root /tmp\n');
    const failed = sandbox.commands.run('echo partial; exit 3');
    await expect(failed).rejects.toMatchObject({ exitCode: 3, stdout: 'partial\n' });
  });

  test('refuse an unknown user and a missing folder', async () => {
    await expect(sandbox.commands.run('true', { user: 'nobody-here' })).rejects.toThrow('invalid username');
    await expect(sandbox.commands.run('true', { cwd: '/not/there' })).rejects.toThrow('/not/there');
  });

  test('a time-out kills the command', async () => {
    const run = sandbox.commands.run('echo $$ > /tmp/slow.pid; sleep 60', { timeoutMs: 300 });
    await expect(run).rejects.toBeInstanceOf(TimeoutError);
    const check = 'for n in $(seq 100); do kill -0 $(cat /tmp/slow.pid) || exit 0; sleep 0.05; done; exit 1';
    expect((await sandbox.commands.run(check)).exitCode).toBe(0);
  });

  test('in the background: listed, joined, fed and killed', async () => {
    const handle = await sandbox.commands.run('while read -r line; do echo "got $line"; done', {
      background: true,
      stdin: true,
      timeoutMs: 0,
    });
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toContain(handle.pid);
    await handle.disconnect();
    await handle.wait().catch(() => undefined);

    const seen: string[] = [];
    const joined = await sandbox.commands.connect(handle.pid, { onStdout: (text) => void seen.push(text) });
    await sandbox.commands.sendStdin(handle.pid, 'one\n');
    await expect.poll(() => seen.join('')).toBe('got one\n');
    expect(await sandbox.commands.kill(handle.pid)).toBe(true);
    const end = await joined.wait().catch((error: unknown) => error);
    expect(end).toBeInstanceOf(CommandExitError);
    expect(end).toMatchObject({ exitCode: -1, error: 'signal: killed' });
    expect(await sandbox.commands.kill(handle.pid)).toBe(false);
    expect(await sandbox.commands.list()).toEqual([]);
  });

  test('the end of input ends a reader', async () => {
    const handle = await sandbox.commands.run('cat', { background: true, stdin: true });
    await handle.sendStdin('abc');
    await handle.closeStdin();
    expect((await handle.wait()).stdout).toBe('abc');
  });

  test('pass large output unharmed', async () => {
    const { stdout } = await sandbox.commands.run('seq 1 400000');
    expect(stdout.length).toBe(2_688_895);
    expect(stdout.endsWith('399999\n400000\n')).toBe(true);
  });
});

describe('files', () => {
  test('come back as they were written', async () => {
    const bytes = randomBytes(3 * 1024 * 1024);
    await sandbox.files.write('data/deep/blob.bin', new Blob([bytes]));
    const back = await sandbox.files.read('/home/user/data/deep/blob.bin', { format: 'bytes' });
    expect(Buffer.from(back).equals(bytes)).toBe(true);
    const stream = new Blob([bytes]).stream() as ReadableStream;
    await sandbox.files.write('/tmp/streamed.bin', stream, { gzip: true });
    expect(
      Buffer.from(await sandbox.files.read('/tmp/streamed.bin', { format: 'bytes' })).equals(bytes),
    ).toBe(true);
    await sandbox.files.write('empty', '');
    expect(await sandbox.files.read('empty')).toBe('');
    const owner = await sandbox.commands.run('stat -c %U:%G data data/deep data/deep/blob.bin');
    expect(owner.stdout).toBe('user:user\nuser:user\nuser:user\n');
  });

  test('several at once, and as root', async () => {
    const files = [
      { path: '/tmp/many/ä b.txt', data: 'one' },
      { path: '/tmp/many/two.txt', data: 'two' },
    ];
    const written = await sandbox.files.write(files, { user: 'root' });
    expect(written.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    expect(await sandbox.files.read('/tmp/many/ä b.txt')).toBe('one');
    expect((await sandbox.files.getInfo('/tmp/many/two.txt')).owner).toBe('root');
  });

  test('are listed, described, made, moved and removed', async () => {
    expect(await sandbox.files.makeDir('tree/sub')).toBe(true);
    expect(await sandbox.files.makeDir('tree/sub')).toBe(false);
    await sandbox.files.write('tree/sub/leaf', 'leaf');
    await sandbox.commands.run('ln -s sub/leaf tree/link && chmod 750 tree/sub/leaf');
    const entries = await sandbox.files.list('tree', { depth: 2 });
    expect(entries.map(({ path, type }) => [path, type])).toEqual([
      ['/home/user/tree/link', 'file'],
      ['/home/user/tree/sub', 'dir'],
      ['/home/user/tree/sub/leaf', 'file'],
    ]);
    expect(entries[0]?.symlinkTarget).toBe('/home/user/tree/sub/leaf');
    expect(entries[2]).toMatchObject({ size: 4, mode: 0o750, permissions: '-rwxr-x---', owner: 'user' });
    await sandbox.files.rename('tree/sub/leaf', 'moved/leaf');
    expect([await sandbox.files.exists('tree/sub/leaf'), await sandbox.files.exists('moved/leaf')]).toEqual([
      false,
      true,
    ]);
    await sandbox.files.remove('tree');
    expect(await sandbox.files.exists('tree')).toBe(false);
    await expect(sandbox.files.read('tree/none')).rejects.toBeInstanceOf(FileNotFoundError);
    await expect(sandbox.files.list('moved/leaf')).rejects.toThrow('not a directory');
    await expect(sandbox.files.read('/tmp')).rejects.toThrow('is a directory');
  });

  test('are watched', async () => {
    const seen: string[] = [];
    await sandbox.files.makeDir('watched/sub');
    const handle = await sandbox.files.watchDir(
      'watched',
      ({ name, type }) => void seen.push(`${type} ${name}`),
      {
        recursive: true,
      },
    );
    await sandbox.files.write('watched/sub/new.txt', 'x');
    await expect.poll(() => seen).toContain('create sub/new.txt');
    await sandbox.files.remove('watched/sub/new.txt');
    await expect.poll(() => seen).toContain('remove sub/new.txt');
    await handle.stop();
  });

  test('signed addresses work without a token, others do not', async () => {
    const routing = { 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '49983' };
    await sandbox.files.write('signed.txt', 'signed');
    const url = await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: 60 });
    expect(await (await fetch(url, { headers: routing })).text()).toBe('signed');
    expect((await fetch(url.replace('signed.txt', 'other.txt'), { headers: routing })).status).toBe(401);
    const form = new FormData();
    form.append('file', new Blob(['uploaded']), 'up.txt');
    const upload = await fetch(await sandbox.uploadUrl('up.txt'), {
      method: 'POST',
      body: form,
      headers: routing,
    });
    expect(upload.status).toBe(200);
    expect(await sandbox.files.read('up.txt')).toBe('uploaded');
    const bare = await fetch(`${e2b.url}/process.Process/List`, {
      method: 'POST',
      headers: routing,
      body: '{}',
    });
    expect(bare.status).toBe(401);
    // What the stand-in says to its own agent.
    const inner = await fetch(`${e2b.url}/_boot`, { method: 'POST', headers: routing, body: '{}' });
    expect(inner.status).toBe(404);
  });
});

describe('ports', () => {
  const SERVER = `require('node:http').createServer((request, response) => {
    if (request.url === '/stream') {
      response.write('first ');
      setTimeout(() => response.end('second'), 100);
    } else {
      let size = 0;
      request.on('data', (chunk) => { size += chunk.length; });
      request.on('end', () => { response.statusCode = 201; response.end(request.method + ' ' + request.url + ' ' + size); });
    }
  }).listen(8000)`;
  const routing = () => ({ 'e2b-sandbox-id': sandbox.sandboxId, 'e2b-sandbox-port': '8000' });

  test('are carried to the sandbox, by header and by host name', async () => {
    const closed = await fetch(`${e2b.url}/`, { headers: routing() });
    expect([closed.status, ((await closed.json()) as { message: string }).message]).toEqual([
      502,
      expect.stringContaining('port is not open'),
    ]);
    await sandbox.files.write('server.cjs', SERVER);
    await sandbox.commands.run('node server.cjs', { background: true, timeoutMs: 0 });
    await expect.poll(async () => (await fetch(`${e2b.url}/up`, { headers: routing() })).status).toBe(201);
    const body = randomBytes(1024 * 1024);
    const answer = await fetch(`${e2b.url}/x?y=1`, { method: 'PUT', headers: routing(), body });
    expect([answer.status, await answer.text()]).toEqual([201, `PUT /x?y=1 ${body.length}`]);
    expect(await (await fetch(`${e2b.url}/stream`, { headers: routing() })).text()).toBe('first second');
    const host = sandbox.getHost(8000);
    const { stdout } = await sandboxHostFetch(host);
    expect(stdout).toBe('GET /by-name 0');
  });

  test('two sandboxes listen on the same port', async () => {
    const other = await e2b.Sandbox.create('base');
    await other.files.write('server.cjs', SERVER.replace("request.method + ' '", "'other '"));
    await other.commands.run('node server.cjs', { background: true, timeoutMs: 0 });
    const headers = { 'e2b-sandbox-id': other.sandboxId, 'e2b-sandbox-port': '8000' };
    await expect.poll(async () => (await fetch(`${e2b.url}/`, { headers })).status).toBe(201);
    expect(await (await fetch(`${e2b.url}/`, { headers })).text()).toBe('other / 0');
    expect(await (await fetch(`${e2b.url}/`, { headers: routing() })).text()).toBe('GET / 0');
    await other.kill();
  });

  test('a chosen port of the host is reached at the same address', async () => {
    const get = `node -e "fetch('http://127.0.0.1:${hostPort()}/path').then(r => r.text()).then(console.log)"`;
    expect((await sandbox.commands.run(get)).stdout).toBe('host says /path\n');
  });
});

function hostPort(): number {
  return (hostServer.address() as AddressInfo).port;
}

/** Node cannot look up names below `localhost`, so the name goes into the Host header by hand. */
async function sandboxHostFetch(host: string): Promise<{ stdout: string }> {
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = request(`${e2b.url}/by-name`, { headers: { host } }, async (answer) => {
      let stdout = '';
      for await (const chunk of answer) stdout += chunk;
      resolve({ stdout });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
