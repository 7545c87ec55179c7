// A pipe for the output of a shell. Node's own are sockets, which programs cannot open as /dev/stdout and /dev/stderr.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MAKE_MS = 5_000;

export interface OutputPipe {
  /** Ends when nobody has its other end any more. */
  reader: Socket;
  /** To hand to the shell, and to write to; to be closed. */
  writer: number;
}

/** @param dir where it has a name for a moment; a full disk has room for that, and memory is the second choice */
export async function createOutputPipe(dir: string): Promise<OutputPipe> {
  const name = `output-${randomUUID()}`;
  try {
    return await createAt(join(dir, name));
  } catch {
    return createAt(join('/dev/shm', name));
  }
}

async function createAt(path: string): Promise<OutputPipe> {
  await promisify(execFile)('mkfifo', ['-m', '600', path], { timeout: MAKE_MS });
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const reader = new Socket({ fd, readable: true, writable: false });
    try {
      return { reader, writer: openSync(path, constants.O_WRONLY) };
    } catch (error) {
      reader.destroy();
      throw error;
    }
  } finally {
    rmSync(path, { force: true });
  }
}

export function closeWriter({ writer }: OutputPipe): void {
  closeSync(writer);
}
