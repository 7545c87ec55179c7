// Tests that hold for E2B and for its simulator, through the unmodified SDK.
import { randomBytes } from 'node:crypto';
import {
  AuthenticationError,
  CommandExitError,
  FileNotFoundError,
  NotFoundError,
  type Sandbox,
  SandboxNotFoundError,
  TimeoutError,
} from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type E2BService, e2bService } from './services.ts';

let e2b: E2BService;
let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await e2bService();
  sandbox = await e2b.create({ envs: { GREETING: 'hello' } });
}, 120_000);
afterAll(() => e2b?.end(), 120_000);

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
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).not.toContain(handle.pid);
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
});

describe('terminals', () => {
  const shell = async (options: Partial<Parameters<Sandbox['pty']['create']>[0]> = {}) => {
    let output = '';
    const decoder = new TextDecoder();
    const onData = (data: Uint8Array) => {
      output += decoder.decode(data, { stream: true });
    };
    const handle = await sandbox.pty.create({ cols: 80, rows: 24, onData, ...options });
    const type = (text: string) => sandbox.pty.sendInput(handle.pid, new TextEncoder().encode(text));
    return { handle, type, output: () => output };
  };

  test('are terminals: of the user, in a folder, with a size, a job control and an exit code', async () => {
    const { handle, type, output } = await shell({ cwd: '/tmp', envs: { OWN: 'mine' } });
    await type(
      'tty; echo "$OWN $PWD $(whoami) $TERM" | cat; stty size; tput cols; sleep 60 &\njobs; exit 3\n',
    );
    await handle.wait().catch(() => undefined);
    expect(handle.exitCode).toBe(3);
    expect(output()).toMatch(/\/dev\/pts\/\d+\r\n/);
    expect(output()).toContain('mine /tmp user xterm-256color');
    expect(output()).toContain('24 80\r\n80\r\n');
    expect(output()).toMatch(/\[1\]\+ +Running +sleep 60 &/);
  });

  test('change their size, and pass keys on', async () => {
    const { handle, type, output } = await shell();
    await sandbox.pty.resize(handle.pid, { cols: 100, rows: 30 });
    await type('stty size; sleep 60\n');
    await expect.poll(output).toContain('30 100');
    await type('\u0003');
    await type('echo after $?; exit\n');
    await handle.wait().catch(() => undefined);
    expect(output()).toContain('after 130');
  });

  test('are left and joined again, and killed', async () => {
    const first = await shell({ user: 'root', timeoutMs: 0 });
    await first.type('id -u\n');
    await expect.poll(first.output).toMatch(/l\r?0\r\n/);
    await first.handle.disconnect();
    await first.handle.wait().catch(() => undefined);
    let seen = '';
    const again = await sandbox.pty.connect(first.handle.pid, {
      onData: (data) => {
        seen += Buffer.from(data).toString();
      },
    });
    await first.type('echo back-$((40+2))\n');
    await expect.poll(() => seen).toContain('back-42');
    expect(await sandbox.pty.kill(first.handle.pid)).toBe(true);
    await expect(again.wait()).rejects.toMatchObject({ exitCode: -1, error: 'signal: killed' });
    expect(await sandbox.pty.kill(first.handle.pid)).toBe(false);
  });

  test('take more than their buffer holds, and give it all', async () => {
    const { handle, type, output } = await shell();
    await type('stty raw -echo; printf ready; head -c 300000 | wc -c; exit\r');
    await expect.poll(output).toMatch(/ready$/);
    await type('x'.repeat(300_000));
    await handle.wait().catch(() => undefined);
    expect(output()).toContain('ready300000');
  });
});

describe('a life', () => {
  test('is made, found, paused, resumed with its processes and files, prolonged and ended', async () => {
    const { Sandbox } = e2b;
    const made = await e2b.create({ metadata: { role: 'life' }, timeoutMs: 120_000 });
    const { sandboxId } = made;
    const listed = async (state: 'running' | 'paused') =>
      (await Sandbox.list({ query: { metadata: { role: 'life' }, state: [state] } }).nextItems()).map(
        (found) => found.sandboxId,
      );
    const info = await Sandbox.getInfo(sandboxId);
    expect(info).toMatchObject({ sandboxId, state: 'running', metadata: { role: 'life' } });
    expect(info.endAt.getTime() - info.startedAt.getTime()).toBeGreaterThan(110_000);
    expect(await listed('running')).toContain(sandboxId);

    await made.files.write('kept.txt', 'kept');
    const sleep = await made.commands.run('sleep 1000', { background: true, timeoutMs: 0 });
    await sleep.disconnect();
    expect(await made.pause()).toBe(true);
    expect(await Sandbox.pause(sandboxId)).toBe(false);
    expect([await listed('running'), await listed('paused')]).toEqual([
      expect.not.arrayContaining([sandboxId]),
      expect.arrayContaining([sandboxId]),
    ]);

    const again = await Sandbox.connect(sandboxId, { timeoutMs: 120_000 });
    expect((await again.commands.list()).map(({ pid }) => pid)).toContain(sleep.pid);
    expect(await again.files.read('kept.txt')).toBe('kept');
    await again.setTimeout(240_000);
    const { endAt } = await again.getInfo();
    expect(endAt.getTime()).toBeGreaterThan(Date.now() + 180_000);
    expect(await again.kill()).toBe(true);
    expect(await Sandbox.kill(sandboxId)).toBe(false);
    await expect(Sandbox.getInfo(sandboxId)).rejects.toBeInstanceOf(SandboxNotFoundError);
    await expect(Sandbox.connect(sandboxId)).rejects.toBeInstanceOf(NotFoundError);
  }, 180_000);

  test('begins neither with a wrong key nor with a template that is not there', async () => {
    await expect(e2b.Sandbox.create('no-such-template-of-anybody')).rejects.toThrow(/template/);
    const wrong = e2b.Sandbox.list({ apiKey: `e2b_${'0'.repeat(40)}` }).nextItems();
    await expect(wrong).rejects.toBeInstanceOf(AuthenticationError);
  });
});
