// How a process is asked to stop.

/** Resolves with 0 at the first SIGINT or SIGTERM; the second ends the process at once. */
export function untilInterrupted(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(0);
      });
    }
  });
}
