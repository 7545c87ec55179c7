// Outputs in a bucket of S3, or of storage that speaks its protocol.

import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import type { OutputStore, S3Target } from './store.ts';

export class S3Store implements OutputStore {
  readonly target: string;
  readonly #config: S3Target;
  #client: S3Client | undefined;

  constructor(config: S3Target) {
    this.#config = config;
    this.target = `s3://${[config.bucket, config.prefix].filter(Boolean).join('/')}`;
  }

  /** In parts of 5 MiB, two of them in memory at most; a small file is one request. */
  async put(key: string, content: Readable, signal: AbortSignal): Promise<void> {
    const { bucket, prefix } = this.#config;
    const { Upload } = await import('@aws-sdk/lib-storage');
    const upload = new Upload({
      client: await this.#connect(),
      params: { Bucket: bucket, Key: [prefix, key].filter(Boolean).join('/'), Body: content },
      queueSize: 2,
    });
    const abort = () => void upload.abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      signal.throwIfAborted();
      await upload.done();
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Loaded when it is needed: few routers copy outputs to S3. */
  async #connect(): Promise<S3Client> {
    if (this.#client) return this.#client;
    const { endpoint, region, credentials } = this.#config;
    const { S3Client } = await import('@aws-sdk/client-s3');
    this.#client ??= new S3Client({
      region,
      ...(credentials ? { credentials } : {}),
      // Other makers' storage need not know buckets as host names, nor the newer checksums.
      ...(endpoint ? { endpoint, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' } : {}),
    });
    return this.#client;
  }
}
