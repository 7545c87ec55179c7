// Reads the evidence of a finished run: the simulators' own records and the sandboxes' disks, not the router's claims.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from '../harness/world.ts';
import { CALLS_FILE } from './plan.ts';

export interface Disk {
  sandboxId: string;
  /** Empty if several sessions share it. */
  sessionId: string;
  createdAt: number;
  /** Epoch ms; null if the sandbox still exists. */
  removedAt: number | null;
  /** Lines that its calls wrote. */
  calls: string[];
  /** The toolhost's journal of calls, as lines of JSON. */
  journal: string[];
}

export interface WorkItem {
  id: string;
  state: string;
  data: { type: string; id: string };
}

const JOURNAL = 'var/lib/toolhost/calls.jsonl';

/** The disks of all sandboxes of the run, including live ones. */
export function readDisks(stateDir: string, runSession: LiveSandbox[]): Disk[] {
  const state = join(stateDir, 'simulators');
  const removed = namesIn(join(state, 'removed')).map((id) => {
    const dir = join(state, 'removed', id);
    return readDisk(dir, id, JSON.parse(textOf(join(dir, 'record.json')) || '{}') as DiskRecord);
  });
  return [...removed, ...runSession.map((one) => readDisk(join(state, 'sandboxes', one.id), one.id, one))];
}

interface DiskRecord {
  metadata?: Record<string, string>;
  removedAt?: number;
}

function readDisk(dir: string, id: string, record: DiskRecord): Disk {
  return {
    sandboxId: id,
    sessionId: record.metadata?.session ?? '',
    createdAt: Date.parse(record.metadata?.created_at ?? '') || 0,
    removedAt: record.removedAt ?? null,
    calls: linesOf(join(dir, 'root', CALLS_FILE)),
    journal: linesOf(join(dir, 'root', JOURNAL)),
  };
}

export interface LiveSandbox {
  id: string;
  state: string;
  metadata: Record<string, string>;
}

export async function liveSandboxes({ admin }: Pick<World, 'admin'>): Promise<LiveSandbox[]> {
  const { sandboxes } = (await admin('e2b', 'GET', 'state')) as { sandboxes: Record<string, LiveSandbox> };
  return Object.values(sandboxes);
}

export async function workItems({ admin }: Pick<World, 'admin'>): Promise<WorkItem[]> {
  const { work } = (await admin('anthropic', 'GET', 'state')) as { work: Record<string, WorkItem> };
  return Object.values(work);
}

/** Files on the sandboxes' disks that contain one of these texts. */
export function filesContaining(stateDir: string, secrets: string[]): string[] {
  const folders = ['removed', 'sandboxes']
    .map((name) => join(stateDir, 'simulators', name))
    .filter(existsSync);
  if (folders.length === 0) return [];
  const patterns = secrets.flatMap((secret) => ['-e', secret]);
  try {
    const found = execFileSync('grep', ['-rlsF', '--devices=skip', ...patterns, ...folders], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return found.trim().split('\n');
  } catch (error) {
    const { status, stdout } = error as { status?: number; stdout?: string };
    // 1: nothing was found. 2: a file could not be read, for example because it was removed meanwhile.
    if (status === 1 || status === 2) return (stdout ?? '').split('\n').filter((line) => line !== '');
    throw error;
  }
}

/** Names in a folder; empty if it does not exist. */
export function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function linesOf(file: string): string[] {
  return textOf(file)
    .split('\n')
    .filter((line) => line !== '');
}
