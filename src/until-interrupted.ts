// How a process is asked to stop.

/**
 * Resolves with 0 at the first SIGINT or SIGTERM; the second ends the process at once. Also resolves when the parent that has
 * started this process with an IPC channel dies.
 */
export function untilInterrupted(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    process.once('disconnect', () => resolve(0));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(0);
      });
    }
  });
}
