// Copies files out of a sandbox, several at a time.
import { Readable } from 'node:stream';
import { Context } from '@temporalio/activity';
import { ByteBudget } from '../../src/clients/byte-budget.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import type { Toolhost } from '../../src/clients/toolhost.ts';
import { failpoint } from '../../src/failpoints.ts';
import type { OutputStore } from '../../src/outputs/store.ts';
import { classify } from '../errors.ts';
import { type Progress, recordProblem } from './progress.ts';

export interface CopyJob {
  toolhost: () => Promise<Toolhost>;
  store: OutputStore;
  sessionId: string;
  /** Of the keys. */
  prefix: string;
  progress: Progress;
}

/** Of one session; its bytes are counted as they are stored, whatever the sandbox says of them. */
const LIMITS = { bytes: 20 * 1024 ** 3, atOnce: 8 };
/** Of the whole process: a store may hold two parts of 5 MiB in memory for each of them. */
const files = new ByteBudget(16);
/** After this many files that the sandbox could not deliver, the rest is not requested. */
const MAX_SPOILED = 20;

class TooMuch extends Error {
  constructor(limit: number) {
    super(`beyond the ${limit / 1024 ** 3} GiB that are copied of a session`);
  }
}

/** @param names sorted: what is done is remembered by the last name up to which all are */
export async function copyFiles(job: CopyJob, names: readonly string[], limits = LIMITS): Promise<void> {
  const { progress } = job;
  const done = new Set<string>();
  let reached = 0;
  let stored = progress.bytes;
  let spoiled = 0;
  const stop = new AbortController();
  const signal = AbortSignal.any([Context.current().cancellationSignal, stop.signal]);
  const count = (bytes: number) => {
    stored += bytes;
    if (stored > limits.bytes) throw new TooMuch(limits.bytes);
  };
  const check = (announced: number) => {
    if (stored + announced > limits.bytes) throw new TooMuch(limits.bytes);
  };
  const copy = async (name: string): Promise<void> => {
    const release = await files.take(1, signal);
    try {
      await copyFile(job, name, check, count, signal);
      failpoint('output-copied', job.sessionId);
    } catch (error) {
      const why = reasonToLeave(error);
      if (why === null) throw error;
      recordProblem(progress, `${name}: ${why}`);
      if (error instanceof SandboxHttpError && error.unusable) spoiled += 1;
      if (spoiled >= MAX_SPOILED) throw error;
    } finally {
      release();
    }
    done.add(name);
    for (let next = names[reached]; next !== undefined && done.has(next); next = names[reached]) {
      done.delete(next);
      progress.after = next;
      reached += 1;
    }
  };
  const queue = names.values();
  const work = async (): Promise<void> => {
    for (const name of queue) await copy(name);
  };
  const workers = Array.from({ length: limits.atOnce }, () =>
    work().catch((error: unknown) => {
      // The others end first: nothing is at work once the attempt has failed.
      stop.abort(error);
      throw error;
    }),
  );
  const ended = await Promise.allSettled(workers);
  Context.current().cancellationSignal.throwIfAborted();
  if (ended.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
}

async function copyFile(
  { toolhost, store, prefix, progress }: CopyJob,
  name: string,
  check: (announced: number) => void,
  count: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let size = 0;
  await (await toolhost()).readOutput(name, signal, async (content, announced) => {
    check(announced);
    let failure: unknown;
    const counted = async function* (): AsyncGenerator<Buffer> {
      try {
        for await (const chunk of content) {
          size += chunk.length;
          count(chunk.length);
          yield chunk;
        }
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    try {
      await store.put(`${prefix}/${name}`, Readable.from(counted(), { objectMode: false }), signal);
    } catch (error) {
      signal.throwIfAborted();
      // The content's own trouble, not the store's.
      if (failure) throw failure;
      const reason = error instanceof Error ? error.message : String(error);
      throw new StoreError(`${name} cannot be copied to ${store.target} (OUTPUTS_TARGET): ${reason}`);
    }
  });
  progress.files += 1;
  progress.bytes += size;
}

/** The store takes nothing: no fault of the sandbox. */
class StoreError extends Error {
  override name = 'StoreError';
}

/** Why a file stays behind; null where it may go through later. */
function reasonToLeave(error: unknown): string | null {
  if (error instanceof TooMuch) return error.message;
  if (!(error instanceof SandboxHttpError)) return null;
  return error.unusable || classify(error).kind !== 'retry' ? error.message : null;
}
