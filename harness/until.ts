// Waits for a condition.

const EVERY_MS = 100;
/** A watch whose worker was killed begins anew after half a minute; that and a loaded machine fail no test. */
const WITHIN_MS = 90_000;

/**
 * Repeats `ask` until its answer is neither null, undefined nor false.
 * @throws an error with `what`, the condition that did not become true in time
 */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | null | undefined | false>,
  withinMs = WITHIN_MS,
): Promise<Answer> {
  for (const end = Date.now() + withinMs; ; ) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`not true within ${withinMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
