// The span of a work item, named like that of the official worker. The calls of its turn hang below it.
import { recordSpan } from '../../src/traces/spans.ts';
import type { StopWorkArgs } from '../../workflows/contract.ts';

/** Key of an item's span. @returns undefined for no item */
export function workKey(workId: string | undefined): string | undefined {
  return workId === undefined ? undefined : `work ${workId}`;
}

/** Records an item that is stopped now. */
export function recordWork({ sessionId, environmentId, workId, since }: StopWorkArgs): void {
  recordSpan({
    name: 'anthropic.environment.work',
    sessionId,
    key: `work ${workId}`,
    startedAt: Math.min(since ?? Date.now(), Date.now()),
    attributes: {
      'gen_ai.provider.name': 'anthropic',
      'anthropic.environment.id': environmentId,
      'anthropic.environment.work.id': workId,
    },
  });
}
