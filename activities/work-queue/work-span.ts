// The span of a work item, named like that of the official worker. The calls of its turn hang below it.
import { recordSpan } from '../../src/traces/spans.ts';
import type { HeldItem } from '../../workflows/contract.ts';

/** Key of an item's span. @returns undefined for no item */
export function workKey(workId: string | undefined): string | undefined {
  return workId === undefined ? undefined : `work ${workId}`;
}

/**
 * Records an item that is stopped now.
 * @param failure why it was not held to its end
 */
export function recordWork(
  { sessionId, environmentId, workId, heldSince = Date.now() }: HeldItem,
  failure?: 'lease_lost',
): void {
  const span = {
    name: 'anthropic.environment.work',
    of: { sessionId },
    key: `work ${workId}`,
    startedAt: Math.min(heldSince, Date.now()),
    attributes: {
      'gen_ai.provider.name': 'anthropic',
      'anthropic.environment.id': environmentId,
      'anthropic.environment.work.id': workId,
    },
  };
  recordSpan(span, failure);
}
