// What a sandbox sends may come slowly, but not at any pace: a byte a minute would hold its place for ever.

/** It is waited for so long in all, whatever comes. */
const PATIENCE_MS = 30_000;
/** Each byte buys time at this rate. */
const BYTES_A_SECOND = 64 * 1024;

/**
 * The chunks as they come. Only time spent waiting for the sandbox counts, not what a slow place to store them takes.
 * @throws the error of `slow` when it has been waited for longer than its bytes are worth
 */
export async function* paced(
  chunks: AsyncIterable<Buffer>,
  slow: () => Error,
  patienceMs = PATIENCE_MS,
): AsyncGenerator<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  let leftMs = patienceMs;
  try {
    for (;;) {
      const askedAt = performance.now();
      const next = source.next();
      const { value, done } = await within(next, leftMs, slow);
      leftMs -= performance.now() - askedAt;
      if (done) return;
      leftMs = Math.min(patienceMs, leftMs + (value.length * 1000) / BYTES_A_SECOND);
      yield value;
    }
  } finally {
    // Not waited for: a source that hangs would hang this as well.
    source.return?.()?.catch(() => undefined);
  }
}

function within<Result>(promise: Promise<Result>, ms: number, late: () => Error): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
