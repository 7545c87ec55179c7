// Stores outputs in a bucket of S3 or of S3-compatible storage.
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

  /** Uploads in parts of 5 MiB, at most two of them in memory; a small file is a single request. */
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

  /** Loads the SDK only when it is needed: few routers copy outputs to S3. */
  async #connect(): Promise<S3Client> {
    if (this.#client) return this.#client;
    const { endpoint, region, credentials } = this.#config;
    const { S3Client } = await import('@aws-sdk/client-s3');
    this.#client ??= new S3Client({
      region,
      ...(credentials ? { credentials } : {}),
      // S3-compatible storage may support neither buckets as host names nor the newer checksums.
      ...(endpoint ? { endpoint, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' } : {}),
    });
    return this.#client;
  }
}
