/** envd's process service: start, attach, list, input, signals, terminals. */
import { stat } from 'node:fs/promises';
import { activeTimeout } from './active-timer.ts';
import type { RpcContext, RpcMethods, RpcStream } from './connect-rpc.ts';
import type { Environment } from './environment.ts';
import { Fields } from './fields.ts';
import type { Command, Commands } from './processes.ts';
import type { TerminalSize } from './pty.ts';
import { RpcError } from './rpc-error.ts';
import { resolvePath } from './users.ts';

const SIGNALS: Record<string, NodeJS.Signals> = {
  SIGNAL_SIGKILL: 'SIGKILL',
  SIGNAL_SIGTERM: 'SIGTERM',
};
const DEFAULT_SIZE: TerminalSize = { rows: 24, cols: 80 };

export function processMethods(commands: Commands, environment: Environment): RpcMethods {
  const select = (request: Fields): Command => {
    const selector = request.message('process');
    return commands.find({ pid: selector?.count('pid'), tag: selector?.text('tag') });
  };
  const alive = (request: Fields) => {
    const command = select(request);
    if (command.exit) throw new RpcError('not_found', `process ${command.pid} has ended`);
    return command;
  };
  return {
    stream: {
      '/process.Process/Start': async (request, context, stream) => {
        const process = request.message('process') ?? new Fields({});
        const cwd = process.text('cwd');
        const folder = cwd ? resolvePath(cwd, context.user) : environment.workdir(context.user);
        await assertFolder(folder);
        const terminal = request.message('pty');
        const tag = request.text('tag');
        const command = await commands.start(
          context.user,
          {
            cmd: process.text('cmd') ?? '',
            args: process.texts('args'),
            cwd: folder,
            envs: { ...environment.variables(context.user), ...process.textMap('envs') },
          },
          {
            // Without this field, standard input stays open.
            stdin: request.flag('stdin') ?? true,
            ...(tag ? { tag } : {}),
            ...(terminal ? { terminal: sizeOf(terminal) } : {}),
          },
        );
        attach(command, context, stream, () => command.signal('SIGKILL'));
      },
      '/process.Process/Connect': (request, context, stream) => attach(select(request), context, stream),
    },
    input: {
      '/process.Process/StreamInput': async (requests) => {
        let command: Command | undefined;
        for await (const request of requests) {
          const start = request.message('start');
          if (start) command = alive(start);
          const input = request.message('data')?.message('input');
          if (!input) continue;
          if (!command) throw new RpcError('invalid_argument', 'the first message must be start');
          await sendInput(command, input);
        }
        return {};
      },
    },
    unary: {
      '/process.Process/List': () => ({
        processes: commands
          .running()
          .map(({ pid, tag, config }) => ({ pid, ...(tag ? { tag } : {}), config })),
      }),
      '/process.Process/Update': async (request) => {
        const command = alive(request);
        const terminal = request.message('pty');
        if (terminal) await command.resize(sizeOf(terminal));
        return {};
      },
      '/process.Process/SendSignal': (request) => {
        const name = request.text('signal') ?? '';
        const signal = SIGNALS[name];
        if (!signal) throw new RpcError('unimplemented', `signal '${name}' is not offered`);
        alive(request).signal(signal);
        return {};
      },
      '/process.Process/SendInput': async (request) => {
        const command = alive(request);
        const input = request.message('input');
        if (!input) throw new RpcError('invalid_argument', 'the message: field input is missing');
        await sendInput(command, input);
        return {};
      },
      '/process.Process/CloseStdin': (request) => {
        alive(request).closeStdin();
        return {};
      },
    },
  };
}

async function sendInput(command: Command, input: Fields): Promise<void> {
  const terminal = input.bytes('pty');
  if (terminal) return command.write('pty', terminal);
  await command.write('stdin', input.bytes('stdin') ?? Buffer.alloc(0));
}

function sizeOf(terminal: Fields): TerminalSize {
  const size = terminal.message('size');
  return { rows: size?.count('rows') || DEFAULT_SIZE.rows, cols: size?.count('cols') || DEFAULT_SIZE.cols };
}

/**
 * Streams the output of a command from now on. The client's deadline ends the stream. For the client that started the
 * command, the deadline also ends the command (`expire`), even if the client has left by then.
 */
function attach(command: Command, context: RpcContext, stream: RpcStream, expire?: () => void): void {
  let lastSent = performance.now();
  const send = (event: Record<string, unknown>) => {
    lastSent = performance.now();
    return stream.send({ event });
  };
  send({ start: { pid: command.pid } });
  const everyMs = context.keepaliveSeconds * 1000;
  const keepalive = setInterval(() => {
    if (performance.now() - lastSent >= everyMs * 0.9) send({ keepalive: {} });
  }, everyMs);
  const unsubscribe = command.listen({
    output: (kind, chunk) => send({ data: { [kind]: chunk.toString('base64') } }),
    ended: (end) => {
      clearInterval(keepalive);
      send({ end });
      stream.end();
    },
  });
  if (context.timeoutMs) {
    const cancel = activeTimeout(() => {
      unsubscribe();
      stream.end(new RpcError('deadline_exceeded', `the time limit of ${context.timeoutMs} ms is over`));
      expire?.();
    }, context.timeoutMs);
    command.listen({ output: () => true, ended: cancel });
    if (!expire) stream.onClose(cancel);
  }
  stream.onDrain(() => command.resume());
  stream.onClose(() => {
    clearInterval(keepalive);
    unsubscribe();
  });
}

async function assertFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new RpcError('invalid_argument', `cwd '${path}' does not exist`);
}
