// For programs that start others and have nothing to tell at their end: benchmarks.

const CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/**
 * From now on SIGHUP, SIGINT and SIGTERM let the process exit as it does by itself, whatever else listens for them. Only
 * such an exit ends what was started by `startChild` and `startServer`: processes of their own groups, which outlive a process
 * that a signal ends.
 */
export function exitOnSignal(): void {
  for (const [signal, code] of Object.entries(CODES)) process.once(signal, () => process.exit(code));
}
