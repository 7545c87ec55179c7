// Client of the toolhost, the program in a sandbox that runs its tool calls at most once each. What answers on its port
// may be the model's: see sandbox-http.ts and toolhost-answers.ts.
import { Readable } from 'node:stream';
import type { z } from 'zod';
import {
  type FileOutcome,
  type InstalledSkill,
  MAX_ANSWER_BYTES,
  type MemoryScan,
  type ToolhostHealth,
} from '../../toolhost/protocol.ts';
import { type Hold, holdOfPieces } from './byte-budget.ts';
import { ask, type Port, type Question, readJson, unusable } from './sandbox-http.ts';
import { paced } from './slow-drip.ts';
import * as answers from './toolhost-answers.ts';

export type { OutputListing, ToolhostCall } from './toolhost-answers.ts';

/** Time over and above what we ask the toolhost to wait, after which the connection counts as dead. */
const SLACK_MS = 10_000;
/** For 50 MB to come over, and to be unpacked. */
const TRANSFER_MS = 110_000;
/** For the answers that are a line or two. */
const SHORT_BYTES = 64 * 1024;
/** A file of a memory store: more than the service takes, each byte in the longest form that JSON has. */
const MEMORY_FILE_BYTES = 640 * 1024;
const MAX_FILE_MS = 6 * 3600_000;

interface Wanted<Schema extends z.ZodType> extends Omit<Question, 'limitMs' | 'body' | 'headers'> {
  answer: Schema;
  maxBytes?: number;
  body?: unknown;
  /** Over and above the slack. */
  waitMs?: number;
  /** Keeps what a large answer has taken of a budget until the caller is done with it. */
  hold?: Hold | undefined;
}

export class Toolhost {
  readonly #port: Port;

  constructor(port: Omit<Port, 'name'>) {
    this.#port = { name: 'the toolhost', ...port };
  }

  health(signal?: AbortSignal): Promise<ToolhostHealth> {
    return this.#request({ method: 'GET', path: '/health', answer: answers.health, signal });
  }

  /** Starts the call, or attaches to it if its id is known; waits at most `waitMs` for its end. */
  start(
    id: string,
    body: { name: string; input: unknown; timeoutMs: number; session?: string; thread?: string },
    waitMs: number,
    signal: AbortSignal,
    hold?: Hold,
  ): Promise<answers.ToolhostCall> {
    return this.#call(id, { method: 'PUT', body, waitMs, signal, hold });
  }

  /** Waits at most `waitMs` for the end of a call that was started. */
  read(id: string, waitMs: number, signal: AbortSignal, hold?: Hold): Promise<answers.ToolhostCall> {
    return this.#call(id, { method: 'GET', waitMs, signal, hold });
  }

  /** Ends a running call and all it started; an id that never ran never will. */
  async cancel(id: string, signal?: AbortSignal): Promise<void> {
    const answer = answers.callState;
    const maxBytes = MAX_ANSWER_BYTES;
    const path = `/calls/${id}/cancel`;
    const ended = await this.#request({ method: 'POST', path, answer, maxBytes, signal });
    if (ended.id !== id || ended.state === 'running') throw unusable(this.#port, 'for another call');
  }

  /** Ends a session's running calls, its shell and all its processes; other sessions in the sandbox go on. */
  endSession(session: string): Promise<{ killed: number }> {
    return this.#request({ method: 'DELETE', path: `/sessions/${session}`, answer: answers.sessionEnd });
  }

  async skills(): Promise<InstalledSkill[]> {
    const maxBytes = 1024 * 1024;
    return (await this.#request({ method: 'GET', path: '/skills', answer: answers.skills, maxBytes })).skills;
  }

  /** Unpacks a skill's archive in place of what is there. @throws SandboxHttpError 422 for an archive that cannot be used */
  async installSkill(skill: InstalledSkill, archive: Uint8Array): Promise<void> {
    const query = new URLSearchParams({ skill_id: skill.skillId, version_id: skill.versionId });
    const path = `/skills/${encodeURIComponent(skill.name)}?${query}`;
    await this.#request({ method: 'PUT', path, body: archive, waitMs: TRANSFER_MS, answer: answers.skill });
  }

  /** Makes a store's folder, or finds it. @throws SandboxHttpError 422 for a place that cannot be used */
  mountMemory(storeId: string, body: { root: string; readOnly: boolean }, hold?: Hold): Promise<MemoryScan> {
    return this.#scan({ method: 'PUT', path: `/memory/${storeId}`, body, hold });
  }

  scanMemory(storeId: string, hold?: Hold): Promise<MemoryScan> {
    return this.#scan({ method: 'GET', path: `/memory/${storeId}`, hold });
  }

  /** @returns the revision of these notes. @throws SandboxHttpError 409 if others have been taken since `revision` */
  async noteMemory(storeId: string, revision: number, notes: object): Promise<number> {
    const body = { revision, notes };
    const path = `/memory/${storeId}/notes`;
    return (await this.#request({ method: 'PUT', path, body, answer: answers.memoryNotes })).revision;
  }

  /** Null where there is no such file. @throws SandboxHttpError 422 if it is no text */
  async readMemory(storeId: string, file: string): Promise<string | null> {
    const path = `/memory/${storeId}/file?${new URLSearchParams({ path: file })}`;
    const maxBytes = MEMORY_FILE_BYTES;
    return (await this.#request({ method: 'GET', path, answer: answers.memoryFile, maxBytes })).content;
  }

  /** Writes and removes files that are what they are expected to be (null: nothing). */
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

  outputs(hold?: Hold): Promise<answers.OutputListing> {
    const answer = answers.outputList;
    const maxBytes = MAX_ANSWER_BYTES;
    return this.#request({ method: 'GET', path: '/outputs', answer, maxBytes, waitMs: TRANSFER_MS, hold });
  }

  /**
   * Hands a file's content over as it comes, to be read to its end; one that comes too slowly breaks off.
   * @param announced bytes that the sandbox says it is long; 0 where it does not say
   * @throws SandboxHttpError 404 if it is gone
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
        const slow = () => unusable(this.#port, 'too slowly');
        return use(Readable.from(paced(chunks, slow), { objectMode: false }), announced);
      },
    );
  }

  async #call(
    id: string,
    question: Pick<Wanted<typeof answers.call>, 'method' | 'body' | 'waitMs' | 'signal' | 'hold'>,
  ): Promise<answers.ToolhostCall> {
    const path = `/calls/${id}?wait_ms=${question.waitMs}`;
    const maxBytes = MAX_ANSWER_BYTES;
    const call = await this.#request({ ...question, path, answer: answers.call, maxBytes });
    if (call.id !== id) throw unusable(this.#port, 'for another call');
    return call;
  }

  #scan(
    question: Pick<Wanted<typeof answers.memoryScan>, 'method' | 'path' | 'body' | 'hold'>,
  ): Promise<MemoryScan> {
    const answer = answers.memoryScan;
    return this.#request({ ...question, answer, maxBytes: MAX_ANSWER_BYTES, waitMs: TRANSFER_MS });
  }

  async #request<Schema extends z.ZodType>(wanted: Wanted<Schema>): Promise<z.output<Schema>> {
    const { answer: schema, maxBytes = SHORT_BYTES, body, waitMs = 0, hold, ...question } = wanted;
    const limitMs = waitMs + SLACK_MS;
    const held = hold ?? holdOfPieces();
    try {
      const json = await ask(this.#port, { ...question, ...encoded(body), limitMs }, (answer, signal) =>
        readJson(this.#port, answer, maxBytes, held, signal),
      );
      const fitting = schema.safeParse(json);
      if (!fitting.success) throw unusable(this.#port, 'with something that is not its answer');
      return fitting.data;
    } catch (error) {
      hold?.release();
      throw error;
    } finally {
      if (!hold) held.release();
    }
  }
}

function encoded(body: unknown): Pick<Question, 'body' | 'headers'> {
  if (body === undefined) return {};
  const binary = body instanceof Uint8Array;
  const type = binary ? 'application/octet-stream' : 'application/json';
  return { headers: { 'content-type': type }, body: binary ? body : JSON.stringify(body) };
}
