/** Timers that stand still while the sandbox is frozen, like the clock of a paused machine. */

const STEP_MS = 500;

/** Calls back after `ms` of running time. Returns a function that cancels the timer. */
export function activeTimeout(callback: () => void, ms: number): () => void {
  let remaining = ms;
  let timer: NodeJS.Timeout;
  const next = () => {
    const step = Math.min(remaining, STEP_MS);
    const started = performance.now();
    timer = setTimeout(() => {
      // If a step took much longer than planned, the sandbox was frozen meanwhile.
      remaining -= Math.min(performance.now() - started, step + STEP_MS);
      if (remaining <= 0) callback();
      else next();
    }, step);
  };
  next();
  return () => clearTimeout(timer);
}
