// Every change of a workflow after 1.0 that the histories of running sessions would not replay
// (docs/changing-workflows.md). None yet: a patch is listed here before a workflow can ask for it.
import { deprecatePatch, patched } from '@temporalio/workflow';

/** Listed under its id, in kebab-case, which names the change: `charge-before-shipping`. Ids are never used again. */
export interface Patch {
  /** What new runs do that runs from before do not. */
  why: string;
  /** Version of the package that brought it. */
  since: string;
  /** When the branch of before may be deleted: no run from before `since` is left. */
  mayGo: string;
}

export interface PatchQuestions<Id extends string> {
  /** Whether this run takes the new branch: all do that began with it, and none that passed this place before. */
  isPatched(id: Id): boolean;
  /** In place of the question once the branch of before is deleted, while histories with the marker are replayed. */
  retirePatch(id: Id): void;
}

export function askFor<Listed extends Record<string, Patch>>(
  _listed: Listed,
): PatchQuestions<keyof Listed & string> {
  return { isPatched: (id) => patched(id), retirePatch: (id) => deprecatePatch(id) };
}

export const PATCHES = {} satisfies Record<string, Patch>;

export const { isPatched, retirePatch } = askFor(PATCHES);
