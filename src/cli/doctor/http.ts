// Asks an HTTP service whether it answers at all, and what time it has.

export interface HttpAnswer {
  status: number;
  /** Milliseconds by which the clock of this machine is ahead of the service's; absent without a Date header. */
  aheadMs?: number;
}

/**
 * Any answer counts, refusals too. No credential is sent and no redirect is followed.
 * @throws Error that says why there was no answer
 */
export async function probe(url: string, signal: AbortSignal): Promise<HttpAnswer> {
  const startedAt = Date.now();
  let answer: Response;
  try {
    answer = await fetch(url, { method: 'HEAD', redirect: 'manual', signal });
  } catch (error) {
    throw new Error(`${new URL(url).host} cannot be reached from this machine (${reasonOf(error)})`);
  }
  await answer.body?.cancel();
  const middle = (startedAt + Date.now()) / 2;
  const date = Date.parse(answer.headers.get('date') ?? '');
  // The header has whole seconds: on average half a second is cut off.
  return {
    status: answer.status,
    ...(Number.isNaN(date) ? {} : { aheadMs: Math.round(middle - date - 500) }),
  };
}

/** fetch hides the reason in the cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? error.message;
}
