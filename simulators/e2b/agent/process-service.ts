/** envd's process service: start, attach, list, input, signals. Pseudo-terminals are not offered. */
import { stat } from 'node:fs/promises';
import { activeTimeout } from './active-timer.ts';
import type { RpcContext, RpcMethods, RpcStream } from './connect-rpc.ts';
import type { Environment } from './environment.ts';
import type { Command, Commands } from './processes.ts';
import { RpcError } from './rpc-error.ts';
import { resolvePath } from './users.ts';

interface StartRequest {
  process?: { cmd?: string; args?: string[]; envs?: Record<string, string>; cwd?: string };
  stdin?: boolean;
  tag?: string;
  pty?: unknown;
}

interface SelectRequest {
  process?: { pid?: number; tag?: string };
  signal?: string;
  input?: { stdin?: string; pty?: string };
}

const SIGNALS: Record<string, NodeJS.Signals> = { SIGNAL_SIGKILL: 'SIGKILL', SIGNAL_SIGTERM: 'SIGTERM' };

export function processMethods(commands: Commands, environment: Environment): RpcMethods {
  const select = (request: SelectRequest) => commands.find(request.process ?? {});
  const alive = (request: SelectRequest) => {
    const command = select(request);
    if (command.exit) throw new RpcError('not_found', `process ${command.pid} has ended`);
    return command;
  };
  return {
    stream: {
      '/process.Process/Start': async (request: StartRequest, context, stream) => {
        if (request.pty)
          throw new RpcError('unimplemented', 'the local stand-in of E2B does not offer pseudo-terminals');
        const { cmd = '', args = [], envs = {}, cwd } = request.process ?? {};
        const folder = cwd ? resolvePath(cwd, context.user) : environment.workdir(context.user);
        await assertFolder(folder);
        const command = await commands.start(
          context.user,
          { cmd, args, cwd: folder, envs: { ...environment.variables(context.user), ...envs } },
          // Clients that do not say mean an open standard input.
          { stdin: request.stdin ?? true, ...(request.tag ? { tag: request.tag } : {}) },
        );
        if (context.timeoutMs) limit(command, context.timeoutMs);
        attach(command, context, stream);
      },
      '/process.Process/Connect': (request: SelectRequest, context, stream) =>
        attach(select(request), context, stream),
    },
    unary: {
      '/process.Process/List': () => ({
        processes: commands
          .running()
          .map(({ pid, tag, config }) => ({ pid, ...(tag ? { tag } : {}), config })),
      }),
      '/process.Process/SendSignal': (request: SelectRequest) => {
        const signal = SIGNALS[request.signal ?? ''];
        if (!signal) throw new RpcError('unimplemented', `signal ${request.signal} is not offered`);
        alive(request).signal(signal);
        return {};
      },
      '/process.Process/SendInput': (request: SelectRequest) => {
        if (request.input?.pty !== undefined)
          throw new RpcError('unimplemented', 'there is no pseudo-terminal');
        alive(request).write(Buffer.from(request.input?.stdin ?? '', 'base64'));
        return {};
      },
      '/process.Process/CloseStdin': (request: SelectRequest) => {
        alive(request).closeStdin();
        return {};
      },
    },
  };
}

/** The client's deadline is the command's: it is killed, whether or not anybody listens. */
function limit(command: Command, timeoutMs: number): void {
  const cancel = activeTimeout(() => command.signal('SIGKILL'), timeoutMs);
  command.listen({ output: () => true, ended: cancel });
}

function attach(command: Command, context: RpcContext, stream: RpcStream): void {
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
  const leave = command.listen({
    output: (kind, chunk) => send({ data: { [kind]: chunk.toString('base64') } }),
    ended: (end) => {
      clearInterval(keepalive);
      send({ end });
      stream.end();
    },
  });
  stream.onDrain(() => command.resume());
  stream.onClose(() => {
    clearInterval(keepalive);
    leave();
  });
}

async function assertFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new RpcError('invalid_argument', `cwd '${path}' does not exist`);
}
