// Which deliveries tell nothing that a watch does not see anyway. Most sessions that send a webhook while they are watched
// have sent one shortly before, so Temporal is asked only about those: a session that wakes is signalled without delay.

const REMEMBERED = 10_000;

/**
 * @param isWatched asks Temporal
 * @param remembered sessions to remember, oldest out first
 * @returns the same question, answered with false for a session of which this process knows no earlier delivery, and
 *   where Temporal does not say
 */
export function askAboutKnown(
  isWatched: (sessionId: string) => Promise<boolean>,
  remembered = REMEMBERED,
): (sessionId: string) => Promise<boolean> {
  const known = new Set<string>();
  return async (sessionId) => {
    const isKnown = known.delete(sessionId);
    known.add(sessionId);
    if (!isKnown) {
      for (const oldest of known) {
        if (known.size <= remembered) break;
        known.delete(oldest);
      }
      return false;
    }
    return isWatched(sessionId).catch(() => false);
  };
}
