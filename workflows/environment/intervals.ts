// How often an environment's workflow asks for work and reconciles, whatever it was started with or asked for. Pure.

const RECONCILE_MS = { usual: 300_000, least: 1_000, most: 86_400_000 };
const CLAIM_PAUSE_MS = { least: 100, most: 600_000, afterFailure: 1_000 };

/** Time from one reconcile to the next. */
export function reconcileEveryMs(asked: unknown): number {
  return within(RECONCILE_MS, Number(asked) || RECONCILE_MS.usual);
}

/** Pause after a claim, where at most so many a minute are allowed. */
export function claimPauseMs(perMinute: number, failed: boolean): number {
  const { least, most, afterFailure } = CLAIM_PAUSE_MS;
  const asked = Math.ceil(60_000 / perMinute);
  return within({ least: failed ? afterFailure : least, most }, asked > 0 ? asked : most);
}

function within({ least, most }: { least: number; most: number }, value: number): number {
  return Math.min(most, Math.max(least, value));
}
