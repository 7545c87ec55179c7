// The smallest useful workflow: each signal runs one activity.
import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

export interface BareActivities {
  touch(number: number): Promise<void>;
}

export const goSignal = defineSignal<[number]>('go');

const { touch } = proxyActivities<BareActivities>({ startToCloseTimeout: '1 minute' });

/** Runs one activity for each signal, in order, until it is terminated. */
export async function bareWorkflow(): Promise<void> {
  const asked: number[] = [];
  setHandler(goSignal, (number) => {
    asked.push(number);
  });
  for (;;) {
    await condition(() => asked.length > 0);
    await touch(asked.shift() ?? 0);
  }
}
