// A time limit on a request.

/**
 * A signal that aborts after `ms`, or together with `signal`; `clear` it once the request is over.
 * `AbortSignal.any` with `AbortSignal.timeout` would do, but Node 20 may collect the latter before it fires.
 */
export function deadline(ms: number, signal?: AbortSignal): { signal: AbortSignal; clear(): void } {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Error(`no end within ${ms} ms`)), ms);
  return {
    signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
    clear: () => clearTimeout(timer),
  };
}
