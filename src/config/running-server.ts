// The record of a running embedded Temporal server in its data folder, by which other processes find it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export interface ServerRecord {
  /** Process that ends with the server. */
  pid: number;
  /** `127.0.0.1:port` */
  address: string;
  uiUrl: string;
  namespace: string;
}

const shape = z.object({
  pid: z.int().positive(),
  address: z.string().max(100),
  uiUrl: z.string().max(100),
  namespace: z.string().max(1_000),
});

/** @returns the record of the server in this data folder; undefined if none runs */
export function runningServer(folder: string): ServerRecord | undefined {
  try {
    const record = shape.parse(JSON.parse(readFileSync(fileIn(folder), 'utf8')));
    return isAlive(record.pid) ? record : undefined;
  } catch {
    return undefined;
  }
}

export function writeRecord(folder: string, record: ServerRecord): void {
  writeFileSync(fileIn(folder), `${JSON.stringify(record)}\n`);
}

export function removeRecord(folder: string): void {
  rmSync(fileIn(folder), { force: true });
}

function fileIn(folder: string): string {
  return join(folder, 'server.json');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
