// A client of the toolhost, the program in a sandbox that runs each tool call at most once. A program of the model may
// answer in its place: see sandbox-http.ts and toolhost-answers.ts. Every method throws a SandboxHttpError on failure.
import { Readable } from 'node:stream';
import type { z } from 'zod';
import {
  type FileOutcome,
  type InstalledSkill,
  MAX_ANSWER_BYTES,
  type MemoryScan,
  type ToolhostHealth,
} from '../../toolhost/protocol.ts';
import { type BudgetShare, shareForAnswer } from './byte-budget.ts';
import { atMinimumRate } from './minimum-rate.ts';
import { ask, type Port, type Question, readJson, unusable } from './sandbox-http.ts';

import * as answers from './toolhost-answers.ts';

export type { OutputListing, ToolhostCall } from './toolhost-answers.ts';

/** If the toolhost answers this much later than we asked it to, the connection counts as dead. */
const SLACK_MS = 10_000;
/** Time to transfer and unpack 50 MB. */
const TRANSFER_MS = 110_000;
/** Limit for answers of a line or two. */
const SHORT_BYTES = 64 * 1024;
/** Limit for a memory file: the service allows 100 KiB, and JSON can take six bytes for one. */
const MEMORY_FILE_BYTES = 640 * 1024;
const MAX_FILE_MS = 6 * 3600_000;

interface Wanted<Schema extends z.ZodType> extends Omit<Question, 'limitMs' | 'body' | 'headers'> {
  answer: Schema;
  maxBytes?: number;
  body?: unknown;
  /** Time that the toolhost may take, in addition to the slack. */
  waitMs?: number;
  /** Holds a large answer's share of the byte budget until the caller releases it. */
  share?: BudgetShare | undefined;
}

export class Toolhost {
  readonly #port: Port;

  constructor(port: Omit<Port, 'name'>) {
    this.#port = { name: 'the toolhost', ...port };
  }

  health(signal?: AbortSignal): Promise<ToolhostHealth> {
    return this.#request({ method: 'GET', path: '/health', answer: answers.health, signal });
  }

  /** Starts the call, or attaches to it if the toolhost knows its id; waits at most `waitMs` for its end. */
  start(
    id: string,
    body: { name: string; input: unknown; timeoutMs: number; session?: string; thread?: string },
    waitMs: number,
    signal: AbortSignal,
    share?: BudgetShare,
  ): Promise<answers.ToolhostCall> {
    return this.#call(id, { method: 'PUT', body, waitMs, signal, share });
  }

  /** Waits at most `waitMs` for the end of a call that was started. @throws SandboxHttpError 404 for an unknown id */
  read(id: string, waitMs: number, signal: AbortSignal, share?: BudgetShare): Promise<answers.ToolhostCall> {
    return this.#call(id, { method: 'GET', waitMs, signal, share });
  }

  /** Ends a running call and the processes that it started; an id that has not run yet never will. */
  async cancel(id: string, signal?: AbortSignal): Promise<void> {
    const answer = answers.callState;
    const maxBytes = MAX_ANSWER_BYTES;
    const path = `/calls/${id}/cancel`;
    const ended = await this.#request({ method: 'POST', path, answer, maxBytes, signal });
    if (ended.id !== id || ended.state === 'running') throw unusable(this.#port, 'for another call');
  }

  /** Ends a session's calls, shells and processes; other sessions in the sandbox continue. */
  endSession(session: string): Promise<{ killed: number }> {
    return this.#request({ method: 'DELETE', path: `/sessions/${session}`, answer: answers.sessionEnd });
  }

  /** The skills that are installed. */
  async skills(): Promise<InstalledSkill[]> {
    const maxBytes = 1024 * 1024;
    return (await this.#request({ method: 'GET', path: '/skills', answer: answers.skills, maxBytes })).skills;
  }

  /** Replaces a skill by the content of an archive. @throws SandboxHttpError 422 for an unusable archive */
  async installSkill(skill: InstalledSkill, archive: Uint8Array): Promise<void> {
    const query = new URLSearchParams({ skill_id: skill.skillId, version_id: skill.versionId });
    const path = `/skills/${encodeURIComponent(skill.name)}?${query}`;
    await this.#request({ method: 'PUT', path, body: archive, waitMs: TRANSFER_MS, answer: answers.skill });
  }

  /** Creates a store's folder if it is missing, and scans it. @throws SandboxHttpError 422 for an unusable place */
  mountMemory(
    storeId: string,
    body: { root: string; readOnly: boolean },
    share?: BudgetShare,
  ): Promise<MemoryScan> {
    return this.#scan({ method: 'PUT', path: `/memory/${storeId}`, body, share });
  }

  /** The files of a store's folder, and the router's notes about it. */
  scanMemory(storeId: string, share?: BudgetShare): Promise<MemoryScan> {
    return this.#scan({ method: 'GET', path: `/memory/${storeId}`, share });
  }

  /** Replaces the notes. @returns their new revision. @throws SandboxHttpError 409 if `revision` is not the latest */
  async noteMemory(storeId: string, revision: number, notes: object): Promise<number> {
    const body = { revision, notes };
    const path = `/memory/${storeId}/notes`;
    return (await this.#request({ method: 'PUT', path, body, answer: answers.memoryNotes })).revision;
  }

  /** The text of a memory file; null if there is no such file. @throws SandboxHttpError 422 if it is not text */
  async readMemory(storeId: string, file: string): Promise<string | null> {
    const path = `/memory/${storeId}/file?${new URLSearchParams({ path: file })}`;
    const maxBytes = MEMORY_FILE_BYTES;
    return (await this.#request({ method: 'GET', path, answer: answers.memoryFile, maxBytes })).content;
  }

  /** Writes and removes files, each only if its SHA-256 is still `expect` (null: there is no such file). */
  async changeMemory(
    storeId: string,
    body: {
      write?: { path: string; content: string; expect: string | null }[];
      remove?: { path: string; expect: string }[];
    },
  ): Promise<Record<string, FileOutcome>> {
    const path = `/memory/${storeId}/changes`;
    const answer = answers.memoryChanges;
    const maxBytes = MAX_ANSWER_BYTES;
    return (await this.#request({ method: 'POST', path, body, answer, maxBytes, waitMs: TRANSFER_MS }))
      .outcomes;
  }

  /** The newest output files, and the number and size of all. */
  outputs(share?: BudgetShare): Promise<answers.OutputListing> {
    const answer = answers.outputList;
    const maxBytes = MAX_ANSWER_BYTES;
    return this.#request({ method: 'GET', path: '/outputs', answer, maxBytes, waitMs: TRANSFER_MS, share });
  }

  /**
   * Streams an output file to `use`, which must read it to its end; a stream that is too slow fails.
   * @param use gets the content and its announced length in bytes (0 if the sandbox announces none)
   * @throws SandboxHttpError 404 if the file is lost
   */
  readOutput<Result>(
    file: string,
    signal: AbortSignal,
    use: (content: Readable, announced: number) => Promise<Result>,
  ): Promise<Result> {
    const path = `/outputs/file?${new URLSearchParams({ path: file })}`;
    return ask(
      this.#port,
      { method: 'GET', path, limitMs: MAX_FILE_MS, signal },
      async ({ headers, chunks }) => {
        const announced = Number(headers['content-length'] ?? 0);
        const tooSlow = () => unusable(this.#port, 'too slowly');
        return use(Readable.from(atMinimumRate(chunks, tooSlow), { objectMode: false }), announced);
      },
    );
  }

  async #call(
    id: string,
    question: Pick<Wanted<typeof answers.call>, 'method' | 'body' | 'waitMs' | 'signal' | 'share'>,
  ): Promise<answers.ToolhostCall> {
    const path = `/calls/${id}?wait_ms=${question.waitMs}`;
    const maxBytes = MAX_ANSWER_BYTES;
    const call = await this.#request({ ...question, path, answer: answers.call, maxBytes });
    if (call.id !== id) throw unusable(this.#port, 'for another call');
    return call;
  }

  #scan(
    question: Pick<Wanted<typeof answers.memoryScan>, 'method' | 'path' | 'body' | 'share'>,
  ): Promise<MemoryScan> {
    const answer = answers.memoryScan;
    return this.#request({ ...question, answer, maxBytes: MAX_ANSWER_BYTES, waitMs: TRANSFER_MS });
  }

  async #request<Schema extends z.ZodType>(wanted: Wanted<Schema>): Promise<z.output<Schema>> {
    const { answer: schema, maxBytes = SHORT_BYTES, body, waitMs = 0, share, ...question } = wanted;
    const limitMs = waitMs + SLACK_MS;
    const used = share ?? shareForAnswer();
    try {
      const json = await ask(this.#port, { ...question, ...encoded(body), limitMs }, (answer, signal) =>
        readJson(this.#port, answer, maxBytes, used, signal),
      );
      const fitting = schema.safeParse(json);
      if (!fitting.success) throw unusable(this.#port, 'with something that is not its answer');
      return fitting.data;
    } catch (error) {
      share?.release();
      throw error;
    } finally {
      if (!share) used.release();
    }
  }
}

function encoded(body: unknown): Pick<Question, 'body' | 'headers'> {
  if (body === undefined) return {};
  const binary = body instanceof Uint8Array;
  const type = binary ? 'application/octet-stream' : 'application/json';
  return { headers: { 'content-type': type }, body: binary ? body : JSON.stringify(body) };
}
