// Waits for a condition.

const EVERY_MS = 100;

/**
 * Repeats `ask` until its answer is neither null, undefined nor false.
 * @throws an error with `what`, the condition that did not become true in time
 */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | null | undefined | false>,
  withinMs = 30_000,
): Promise<Answer> {
  for (const end = Date.now() + withinMs; ; ) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`not true within ${withinMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
