import { ActivityFailure } from '@temporalio/workflow';

/** The cause that a person can act on, not Temporal's wrapping. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof ActivityFailure && error.cause ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
