// Lets a command clean up when it is interrupted, and end with the exit code that shells expect.
import { CommandError, EXIT } from '../command.ts';

/**
 * Runs `work` with a signal that SIGINT or SIGTERM aborts. A second signal ends the process at once.
 * @throws CommandError with exit code 130 if the work was interrupted
 */
export async function whileNotInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(interrupted());
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await Promise.race([
      work(controller.signal),
      new Promise<never>((_, reject) => {
        // Work that notices the signal cleans up first; what does not notice is left.
        controller.signal.addEventListener('abort', () =>
          setTimeout(() => reject(controller.signal.reason), GRACE_MS).unref(),
        );
      }),
    ]);
  } catch (error) {
    throw controller.signal.aborted ? interrupted() : error;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** Longer than a stopping router takes. */
const GRACE_MS = 45_000;

export function interrupted(): CommandError {
  return new CommandError('Interrupted', EXIT.interrupted);
}
