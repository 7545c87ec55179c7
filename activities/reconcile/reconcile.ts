// Checks the work queue, sandboxes and session workflows against each other, and repairs what lost messages left behind.

import { MOST_FINDINGS } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import type { Deps } from '../deps.ts';
import type { OpenSandboxes } from '../sandbox/open-sandboxes.ts';
import type { WorkClaims } from '../work-queue/claim-work.ts';
import { RequestPacer } from '../work-queue/request-pacer.ts';
import { reconcileSandboxes } from './sandboxes.ts';
import { notifyUnattended, sleepingSharers } from './sessions.ts';
import { reconcileWork } from './work.ts';

/** Well below what the service allows for reading, which sessions at work need more. */
const REQUESTS_PER_MINUTE = 240;

export function createReconcile(deps: Deps, sandboxes: OpenSandboxes, claims: WorkClaims) {
  return {
    /** @returns what was found and repaired, in words */
    reconcile: defineActivity(async ({ environmentId }: { environmentId: string }): Promise<string[]> => {
      const pacer = new RequestPacer(REQUESTS_PER_MINUTE);
      const work = await reconcileWork(deps, claims, environmentId, pacer);
      const found = await reconcileSandboxes(deps, sandboxes, environmentId, pacer);
      const asleep = [...found.asleep, ...(await sleepingSharers(deps, environmentId))];
      const unwatched = new Set([...work.released, ...asleep].filter((id) => !work.withWorkItem.has(id)));
      const findings = [
        ...work.findings,
        ...found.findings,
        ...(await notifyUnattended(deps, unwatched, pacer)),
      ];
      for (const finding of findings) deps.log.warn({ environmentId, finding }, 'reconciled');
      return findings.slice(0, MOST_FINDINGS);
    }),
  };
}
