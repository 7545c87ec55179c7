// One set of activities per environment, each with its own key: a call goes to the set of the environment it names.
import { ApplicationFailure } from '@temporalio/common';
import { RETRY } from '../workflows/contract.ts';

type Activity = (args: never) => Promise<unknown>;

/** While workers with old and new settings run side by side, another worker may serve the environment. */
const ANOTHER_WORKER_AFTER = '5s';

/** @param sets by the id of their environment, at least one, all with the same activities */
export function byEnvironment<Set extends { [Name in keyof Set]: Activity }>(
  sets: ReadonlyMap<string, Set>,
): Set {
  const names = Object.keys(sets.values().next().value ?? {});
  const dispatch = (name: string) => async (args: { environmentId: string }) => {
    const activity = (sets.get(args.environmentId) as Record<string, Activity> | undefined)?.[name];
    if (!activity) throw notServed(args.environmentId);
    return activity(args as never);
  };
  return Object.fromEntries(names.map((name) => [name, dispatch(name)])) as unknown as Set;
}

function notServed(environmentId: string): ApplicationFailure {
  return ApplicationFailure.create({
    type: RETRY,
    message:
      `this worker does not serve environment ${environmentId}: ` +
      'neither ANTHROPIC_ENVIRONMENT_ID nor its configuration file names it',
    nextRetryDelay: ANOTHER_WORKER_AFTER,
  });
}
