// Where the outputs of sessions are copied to before their sandboxes are killed. Another kind of place is another
// implementation of OutputStore, chosen in open-store.ts.
import type { Readable } from 'node:stream';

export interface OutputStore {
  /** For people; holds no credential. */
  readonly target: string;

  /**
   * Stores a file in place of what the key held. Once it resolves the content is durable; where it rejects, or the
   * process dies, the key holds what it held before. Safe to repeat.
   * @param key `<environment id>/<session id>/<path below outputs>`: `/` between its parts, none of them `.` or `..`
   * @param content read to its end, at the store's pace
   * @throws an error that says what is wrong with the place; the copy is tried again later
   */
  put(key: string, content: Readable, signal: AbortSignal): Promise<void>;
}

export type OutputsConfig = DirectoryTarget | S3Target;

export interface DirectoryTarget {
  kind: 'directory';
  /** Absolute. */
  path: string;
}

export interface S3Target {
  kind: 's3';
  bucket: string;
  /** Without slashes at its ends; may be empty. */
  prefix: string;
  /** Of S3-compatible storage; AWS if not given. */
  endpoint?: string;
  region: string;
  /** As every AWS client finds them (instance role, profile) if not given. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}
