// Client of the toolhost, the program in a sandbox that runs its tool calls at most once each.
import type {
  CallState,
  FileOutcome,
  InstalledSkill,
  MemoryScan,
  OutputList,
  ToolhostHealth,
} from '../../toolhost/protocol.ts';
import { deadline } from './deadline.ts';

/** Time over and above what we ask the toolhost to wait, after which the connection counts as dead. */
const SLACK_MS = 10_000;
/** For 50 MB to come over, and to be unpacked. */
const TRANSFER_MS = 110_000;

export interface ToolhostCall {
  id: string;
  name: string;
  state: CallState;
  bootId: string;
  result?: { content: { type: 'text'; text: string }[]; isError: boolean };
  /** Absent while there is none. */
  outputs?: OutputList;
}

/** The toolhost, or the way to it, answered with an error. `status` 0: no answer at all. */
export class ToolhostError extends Error {
  override name = 'ToolhostError';
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

export class Toolhost {
  readonly #origin: string;
  readonly #headers: Record<string, string>;

  constructor(origin: string, headers: Record<string, string>) {
    this.#origin = origin;
    this.#headers = headers;
  }

  health(signal?: AbortSignal): Promise<ToolhostHealth> {
    return this.#request('GET', '/health', undefined, 0, signal);
  }

  /** Starts the call, or attaches to it if its id is known; waits at most `waitMs` for its end. */
  start(
    id: string,
    call: { name: string; input: unknown; timeoutMs: number; session?: string },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ToolhostCall> {
    return this.#request('PUT', `/calls/${id}?wait_ms=${waitMs}`, call, waitMs, signal);
  }

  /** Waits at most `waitMs` for the end of a call that was started. */
  read(id: string, waitMs: number, signal: AbortSignal): Promise<ToolhostCall> {
    return this.#request('GET', `/calls/${id}?wait_ms=${waitMs}`, undefined, waitMs, signal);
  }

  /** Ends a running call and all it started; an id that never ran never will. */
  cancel(id: string, signal?: AbortSignal): Promise<ToolhostCall> {
    return this.#request('POST', `/calls/${id}/cancel`, undefined, 0, signal);
  }

  /** Ends a session's running calls, its shell and all its processes; other sessions in the sandbox go on. */
  endSession(session: string): Promise<{ killed: number }> {
    return this.#request('DELETE', `/sessions/${session}`, undefined, 0);
  }

  async skills(): Promise<InstalledSkill[]> {
    return (await this.#request<{ skills: InstalledSkill[] }>('GET', '/skills', undefined, 0)).skills;
  }

  /** Unpacks a skill's archive in place of what is there. @throws ToolhostError 422 for an archive that cannot be used */
  installSkill(skill: InstalledSkill, archive: Uint8Array): Promise<InstalledSkill> {
    const query = new URLSearchParams({ skill_id: skill.skillId, version_id: skill.versionId });
    const path = `/skills/${encodeURIComponent(skill.name)}?${query}`;
    return this.#request('PUT', path, archive, TRANSFER_MS);
  }

  /** Makes a store's folder, or finds it. @throws ToolhostError 422 for a place that cannot be used */
  mountMemory(storeId: string, mount: { root: string; readOnly: boolean }): Promise<MemoryScan> {
    return this.#request('PUT', `/memory/${storeId}`, mount, TRANSFER_MS);
  }

  scanMemory(storeId: string): Promise<MemoryScan> {
    return this.#request('GET', `/memory/${storeId}`, undefined, TRANSFER_MS);
  }

  /** @returns the revision of these notes. @throws ToolhostError 409 if others have been taken since `revision` */
  async noteMemory(storeId: string, revision: number, notes: object): Promise<number> {
    const body = { revision, notes };
    return (await this.#request<{ revision: number }>('PUT', `/memory/${storeId}/notes`, body, 0)).revision;
  }

  /** Null where there is no such file. @throws ToolhostError 422 if it is no text */
  async readMemory(storeId: string, path: string): Promise<string | null> {
    const at = `/memory/${storeId}/file?${new URLSearchParams({ path })}`;
    return (await this.#request<{ content: string | null }>('GET', at, undefined, 0)).content;
  }

  /** Writes and removes files that are what they are expected to be (null: nothing). */
  async changeMemory(
    storeId: string,
    changes: {
      write?: { path: string; content: string; expect: string | null }[];
      remove?: { path: string; expect: string }[];
    },
  ): Promise<Record<string, FileOutcome>> {
    const path = `/memory/${storeId}/changes`;
    const answer = await this.#request<{ outcomes: Record<string, FileOutcome> }>(
      'POST',
      path,
      changes,
      TRANSFER_MS,
    );
    return answer.outcomes;
  }

  outputs(): Promise<OutputList> {
    return this.#request('GET', '/outputs', undefined, TRANSFER_MS);
  }

  /** A file's content as it comes. @throws ToolhostError 404 if it is gone */
  async openOutput(
    path: string,
    signal: AbortSignal,
  ): Promise<{ size: number; content: ReadableStream<Uint8Array> }> {
    const at = new URL(`/outputs/file?${new URLSearchParams({ path })}`, this.#origin);
    const answer = await fetch(at, { headers: this.#headers, signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new ToolhostError(0, `the toolhost does not answer: ${messageOf(error)}`, error);
    });
    if (!answer.ok || !answer.body)
      throw new ToolhostError(answer.status, `the toolhost answers ${answer.status}: ${await answer.text()}`);
    return { size: Number(answer.headers.get('content-length')), content: answer.body };
  }

  async #request<Answer>(
    method: string,
    path: string,
    body: unknown,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const binary = body instanceof Uint8Array;
    const contentType = binary ? 'application/octet-stream' : 'application/json';
    const limit = deadline(waitMs + SLACK_MS, signal);
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(new URL(path, this.#origin), {
        method,
        headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': contentType }) },
        ...(body === undefined
          ? {}
          : { body: binary ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
        signal: limit.signal,
      });
      text = await answer.text();
    } catch (error) {
      signal?.throwIfAborted();
      throw new ToolhostError(0, `the toolhost does not answer: ${messageOf(error)}`, error);
    } finally {
      limit.clear();
    }
    if (!answer.ok)
      throw new ToolhostError(answer.status, `the toolhost answers ${answer.status}: ${text.slice(0, 300)}`);
    try {
      return JSON.parse(text) as Answer;
    } catch (error) {
      throw new ToolhostError(0, 'the toolhost answered something that is not JSON', error);
    }
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
