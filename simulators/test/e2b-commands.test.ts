// Commands and terminals of a local sandbox behave like those of E2B.
import type { CommandResult, Sandbox } from 'e2b';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectFrames, routing } from './e2b-raw.ts';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

let e2b: E2BSimulator;
let sandbox: Sandbox;

beforeAll(async () => {
  e2b = await startE2BSimulator();
  sandbox = await e2b.Sandbox.create('base', {
    envs: { LAYER: 'sandbox', KEPT: 'yes' },
    timeoutMs: 3_600_000,
  });
});
afterAll(() => e2b?.end());

const call = (method: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${e2b.url}/process.Process/${method}`, {
    method: 'POST',
    headers: { ...routing(sandbox), 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const ended = (run: Promise<CommandResult>) => run.catch((error: CommandResult) => error);

describe('commands', () => {
  test('see the environment in layers: sandbox, then command; profiles of the system count', async () => {
    const show = 'echo "$LAYER $KEPT $E2B_SANDBOX $FROM_PROFILE"';
    await sandbox.commands.run('echo export FROM_PROFILE=1 > /etc/profile.d/own.sh', {
      user: 'root',
    });
    expect((await sandbox.commands.run(show)).stdout).toBe('sandbox yes true 1\n');
    const layered = await sandbox.commands.run(show, { envs: { LAYER: 'command' } });
    expect(layered.stdout).toBe('command yes true 1\n');
  });

  test('are listed with tag, environment and folder', async () => {
    const started = connectFrames(e2b.url, sandbox, '/process.Process/Start', {
      process: { cmd: '/bin/sleep', args: ['50'], envs: { OWN: 'x' }, cwd: '/tmp' },
      tag: 'my-tag',
    });
    await started.next();
    const [found] = (await sandbox.commands.list()).filter(({ tag }) => tag === 'my-tag');
    expect(found).toMatchObject({ cmd: '/bin/sleep', args: ['50'], cwd: '/tmp' });
    expect(found?.envs).toMatchObject({ OWN: 'x', LAYER: 'sandbox' });
    // Processes can be found by tag, too.
    await call('SendSignal', { process: { tag: 'my-tag' }, signal: 'SIGNAL_SIGTERM' });
    const { value } = await started.next();
    expect(value).toEqual({
      event: {
        end: { exitCode: -1, exited: false, status: 'signal: terminated', error: 'signal: terminated' },
      },
    });
    expect((await started.next()).value).toEqual({});
    expect(await sandbox.commands.list()).toEqual([]);
  });

  test('continue while no client is connected; that output is lost, their exit status is kept', async () => {
    const command = await sandbox.commands.run('echo one; read -r _; echo two; sleep 0.1; exit 7', {
      background: true,
      stdin: true,
      timeoutMs: 0,
    });
    await expect.poll(() => command.stdout).toBe('one\n');
    await command.disconnect();
    await command.wait().catch(() => undefined);
    await sandbox.commands.sendStdin(command.pid, '\n');
    await expect.poll(() => sandbox.commands.list()).toEqual([]);
    const again = await sandbox.commands.connect(command.pid);
    expect(await ended(again.wait())).toMatchObject({ exitCode: 7, stdout: '' });
  });

  test('the deadline of the starting client ends a command, that of a later one only its stream', async () => {
    const command = await sandbox.commands.run('sleep 40', { background: true, timeoutMs: 0 });
    const late = await sandbox.commands.connect(command.pid, { timeoutMs: 200 });
    await expect(late.wait()).rejects.toThrow('deadline_exceeded');
    expect((await sandbox.commands.list()).map(({ pid }) => pid)).toEqual([command.pid]);
    await command.kill();

    const limited = connectFrames(
      e2b.url,
      sandbox,
      '/process.Process/Start',
      { process: { cmd: '/bin/sleep', args: ['40'] } },
      { 'connect-timeout-ms': '200' },
    );
    await limited.next();
    expect((await limited.next()).value).toMatchObject({ error: { code: 'deadline_exceeded' } });
    await expect.poll(() => sandbox.commands.list()).toEqual([]);
  });

  test('read what is sent, one request or a stream of them', async () => {
    const command = await sandbox.commands.run('cat', { background: true, stdin: true });
    const process = { pid: command.pid };
    const input = (text: string) => ({ input: { stdin: Buffer.from(text).toString('base64') } });
    const answer = connectFrames(e2b.url, sandbox, '/process.Process/StreamInput', [
      { start: { process } },
      { data: input('a') },
      { keepalive: {} },
      { data: input('ü\n') },
    ]);
    expect([(await answer.next()).value, (await answer.next()).value]).toEqual([{}, {}]);
    await expect.poll(() => command.stdout).toBe('aü\n');
    await command.closeStdin();
    expect((await command.wait()).exitCode).toBe(0);
    const gone = connectFrames(e2b.url, sandbox, '/process.Process/StreamInput', [
      { start: { process: { pid: 99_999 } } },
    ]);
    expect((await gone.next()).value).toMatchObject({ error: { code: 'not_found' } });
  });

  test('lose no output, however short they run', async () => {
    const runs = Array.from({ length: 40 }, (_, index) => sandbox.commands.run(`echo ${index}`));
    expect((await Promise.all(runs)).map(({ stdout }) => stdout)).toEqual(
      runs.map((_, index) => `${index}\n`),
    );
  });

  test('have no standard input if the client wants none', async () => {
    expect((await sandbox.commands.run('cat; echo end')).stdout).toBe('end\n');
  });
});

describe('terminals', () => {
  test('accept terminal input only, and commands accept none', async () => {
    const handle = await sandbox.pty.create({ cols: 80, rows: 24, onData: () => undefined });
    await expect(sandbox.commands.sendStdin(handle.pid, 'x')).rejects.toThrow('stdin');
    const command = await sandbox.commands.run('cat', { background: true, stdin: true });
    await expect(sandbox.pty.resize(command.pid, { cols: 1, rows: 1 })).rejects.toThrow('pseudo-terminal');
    const unknown = await call('Start', {});
    expect(unknown.status).toBe(501);
    await handle.kill();
    await command.kill();
    const missing = sandbox.pty.create({ cols: 1, rows: 1, onData: () => undefined, cwd: '/not/there' });
    await expect(missing).rejects.toThrow('/not/there');
  });
});
