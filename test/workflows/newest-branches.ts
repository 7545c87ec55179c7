// In place of workflows/patches.ts in a bundle: every question is answered with the new branch. A history of the current
// version replays with it as it does in production; a history of an older version does not.
import { deprecatePatch } from '@temporalio/workflow';
import type { PatchQuestions } from '../../workflows/patches.ts';

export function askFor(): PatchQuestions<string> {
  const newest = (id: string) => {
    deprecatePatch(id);
    return true;
  };
  return { isPatched: newest, retirePatch: newest };
}

export const PATCHES = {};

export const { isPatched, retirePatch } = askFor();
