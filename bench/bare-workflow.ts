// The smallest useful workflow: each signal runs one activity. Its times are a lower bound for the router's.
import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

export interface BareActivities {
  touch(number: number): Promise<void>;
}

export const goSignal = defineSignal<[number]>('go');

const { touch } = proxyActivities<BareActivities>({ startToCloseTimeout: '1 minute' });

/** Runs one activity for each signal, in order; ends after `signals` activities. */
export async function bareWorkflow(signals: number): Promise<void> {
  const asked: number[] = [];
  setHandler(goSignal, (number) => {
    asked.push(number);
  });
  for (let done = 0; done < signals; done += 1) {
    await condition(() => asked.length > 0);
    await touch(asked.shift() ?? 0);
  }
}
