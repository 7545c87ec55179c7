// Ends the transfer of a file that comes too slowly: a sandbox that sends a byte a minute would keep its slot for ever.

/** Total time that a transfer may spend waiting for bytes, beyond the time that its bytes earn. */
const PATIENCE_MS = 30_000;
/** Received bytes earn waiting time at this rate. */
const BYTES_PER_SECOND = 64 * 1024;

/**
 * Passes the chunks on. Only the time spent waiting for the sandbox counts, not the time that the consumer takes.
 * @throws the error of `tooSlow` if the waiting time exceeds what the received bytes have earned
 */
export async function* atMinimumRate(
  chunks: AsyncIterable<Buffer>,
  tooSlow: () => Error,
  patienceMs = PATIENCE_MS,
): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  let leftMs = patienceMs;
  try {
    for (;;) {
      const askedAt = performance.now();
      const next = source.next();
      const { value, done } = await within(next, leftMs, tooSlow);
      leftMs -= performance.now() - askedAt;
      if (done) return;
      leftMs = Math.min(patienceMs, leftMs + (value.length * 1000) / BYTES_PER_SECOND);
      yield value;
    }
  } finally {
    // Not awaited: a source that hangs would make this hang too.
    source.return?.()?.catch(() => undefined);
  }
}

function within<Result>(promise: Promise<Result>, ms: number, tooSlow: () => Error): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(tooSlow()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
