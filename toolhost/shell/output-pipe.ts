// A pipe for the output of a shell. Node's own pipes are sockets, which programs cannot open as /dev/stdout or /dev/stderr.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MAKE_MS = 5_000;

export interface OutputPipe {
  /** Ends when the last writer is closed. */
  reader: Socket;
  /** File descriptor of the other end, to write to and to pass to the shell; the caller closes it. */
  writer: number;
}

/**
 * Creates a pipe, which has a name in the file system for a moment only.
 * @param dir directory for the name; if it cannot be used, /dev/shm is
 * @throws an error if neither directory can be used
 */
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

/** Closes our copy of the writer. */
export function closeWriter({ writer }: OutputPipe): void {
  closeSync(writer);
}
