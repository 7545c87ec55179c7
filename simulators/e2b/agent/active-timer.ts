/** Timers that do not count the time in which the sandbox was frozen, as the clock of a paused machine. */

const STEP_MS = 500;

/** Calls back after `ms` of running time; returns a function that cancels. */
export function activeTimeout(callback: () => void, ms: number): () => void {
  let remaining = ms;
  let timer: NodeJS.Timeout;
  const next = () => {
    const step = Math.min(remaining, STEP_MS);
    const started = performance.now();
    timer = setTimeout(() => {
      // A step that took far longer than it should was interrupted by a pause.
      remaining -= Math.min(performance.now() - started, step + STEP_MS);
      if (remaining <= 0) callback();
      else next();
    }, step);
  };
  next();
  return () => clearTimeout(timer);
}
