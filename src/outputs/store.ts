// The interface of stores for outputs, which are copied before a sandbox is killed. To add a store, implement
// OutputStore and choose it in open-store.ts.
import type { Readable } from 'node:stream';

export interface OutputStore {
  /** The target as people write it; holds no credential. */
  readonly target: string;

  /**
   * Stores a file under the key, in place of what the key held. Once it resolves, the content is durable; if it rejects
   * or the process dies, the key holds what it held before. Safe to repeat.
   * @param key `<environment id>/<session id>/<path below outputs>`; no part is `.` or `..`
   * @param content is read to its end, at the pace of the store
   * @param signal ends the upload
   * @throws an error that says what is wrong with the target; the copy is tried again later
   */
  put(key: string, content: Readable, signal: AbortSignal): Promise<void>;
}

export type OutputsConfig = DirectoryTarget | S3Target;

export interface DirectoryTarget {
  kind: 'directory';
  /** Absolute path. */
  path: string;
}

export interface S3Target {
  kind: 's3';
  bucket: string;
  /** Without slashes at its ends; may be empty. */
  prefix: string;
  /** URL of S3-compatible storage; absent for AWS. */
  endpoint?: string;
  region: string;
  /** If absent, they are found as by any AWS client (instance role, profile). */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}
