/** Pseudo-terminals without a native add-on: Node holds the master; a small Python program attaches the slave. */
import { spawn } from 'node:child_process';
import { chownSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { RpcError } from './rpc-error.ts';
import { PYTHON } from './system-helper.ts';
import { fileOwner, spawnAs, type User } from './users.ts';

export interface TerminalSize {
  rows: number;
  cols: number;
}

export interface Terminal {
  /** Everything written to the terminal; ends when no process holds the terminal open. */
  output: Readable;
  write(data: Buffer): void;
  /** Sets the size; the kernel notifies the programs in the terminal. */
  resize(size: TerminalSize): Promise<void>;
  close(): void;
}

/**
 * Attaches the terminal, then replaces itself by the program. File descriptor 3 is the master; 4 receives the reason
 * of a failure and is closed on success. The numbers are TIOCSPTLCK and TIOCGPTN, which Python's termios lacks.
 */
const LAUNCH = `
import fcntl, os, struct, sys, termios
os.set_inheritable(4, False)
try:
    fcntl.ioctl(3, 0x40045431, struct.pack("i", 0))
    fcntl.ioctl(3, termios.TIOCSWINSZ, struct.pack("HHHH", int(sys.argv[1]), int(sys.argv[2]), 0, 0))
    number = struct.unpack("I", fcntl.ioctl(3, 0x80045430, bytes(4)))[0]
    slave = os.open("/dev/pts/%d" % number, os.O_RDWR)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(slave, fd)
    os.close(slave)
    os.close(3)
    os.execvp(sys.argv[3], sys.argv[3:])
except Exception as error:
    os.write(4, str(error).encode())
`;

const RESIZE = `
import fcntl, struct, sys, termios
fcntl.ioctl(3, termios.TIOCSWINSZ, struct.pack("HHHH", int(sys.argv[1]), int(sys.argv[2]), 0, 0))
`;

/** Delay before the next write when the terminal's buffer is full. */
const RETRY_MS = 10;
const MAX_SIDE = 65_535;

/** Starts a program in a new terminal. Throws `invalid_argument` if it cannot be run. */
export async function startInTerminal(
  user: User,
  command: string[],
  options: { cwd: string; env: Record<string, string> },
  size: TerminalSize,
) {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    const number = /tty-index:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${master}`, 'utf8'))?.[1];
    const owner = fileOwner(user);
    if (owner) chownSync(`/dev/pts/${number}`, owner.uid, owner.gid);
    const child = spawnAs(user, PYTHON, ['-I', '-S', '-c', LAUNCH, ...sizeArguments(size), ...command], {
      ...options,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', master, 'pipe'],
    });
    let failure = '';
    const reason = child.stdio[4] as Readable;
    reason.on('data', (chunk) => {
      failure += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new RpcError('invalid_argument', error.message)));
      reason.once('close', () =>
        failure ? reject(new RpcError('invalid_argument', failure)) : resolve(undefined),
      );
    });
    return { child, terminal: openMaster(master) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

function openMaster(master: number): Terminal {
  const output = new ReadStream(master);
  let waiting: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  // Reading a terminal fails when the last program has closed it: this is its normal end.
  output.on('error', () => output.destroy());
  output.on('close', () => {
    clearTimeout(timer);
    waiting = [];
  });
  const flush = () => {
    timer = undefined;
    while (waiting[0] && !output.destroyed) {
      try {
        const written = writeSync(master, waiting[0]);
        if (written === waiting[0].length) waiting.shift();
        else waiting[0] = waiting[0].subarray(written);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        timer = setTimeout(flush, RETRY_MS);
        return;
      }
    }
  };
  return {
    output,
    write: (data) => {
      if (data.length > 0) waiting.push(data);
      if (!timer) flush();
    },
    resize: (size) => setSize(master, size),
    close: () => output.destroy(),
  };
}

async function setSize(master: number, size: TerminalSize): Promise<void> {
  const args = ['-I', '-S', '-c', RESIZE, ...sizeArguments(size)];
  const child = spawn(PYTHON, args, { stdio: ['ignore', 'ignore', 'ignore', master] });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new RpcError('internal', 'the terminal could not be resized');
}

function sizeArguments({ rows, cols }: TerminalSize): [string, string] {
  if (rows > MAX_SIDE || cols > MAX_SIDE)
    throw new RpcError('invalid_argument', `a terminal has at most ${MAX_SIDE} rows and columns`);
  return [String(rows), String(cols)];
}
