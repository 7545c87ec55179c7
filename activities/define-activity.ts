// What every activity is wrapped in: its span, heartbeats, failures that Temporal can act on, hand-over at shutdown.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { RETRY } from '../workflows/contract.ts';
import { toFailure } from './errors.ts';
import { beat, startHeartbeats } from './heartbeat.ts';
import { traceActivity } from './trace-activity.ts';

/** An error that the activity throws leaves it as a failure that says whether a retry can help. */
export function defineActivity<Args extends unknown[], Result>(
  activity: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return (...args) => {
    const context = Context.current();
    return traceActivity(context, args[0], () => run(context, () => activity(...args)));
  };
}

async function run<Result>(context: Context, activity: () => Promise<Result>): Promise<Result> {
  const endHeartbeats = startHeartbeats(context);
  try {
    return await activity();
  } catch (error) {
    const { cancellationSignal, cancellationDetails } = context;
    if (!cancellationSignal.aborted) throw toFailure(error);
    if (cancellationDetails?.cancelRequested) throw cancellationSignal.reason;
    // The worker is shutting down, but the work is still wanted: another worker goes on at once from here.
    beat(context);
    throw ApplicationFailure.create({
      message: 'worker is shutting down',
      type: RETRY,
      nextRetryDelay: '10ms',
    });
  } finally {
    endHeartbeats();
  }
}

/** Of the workflow that the activity runs for. */
export function workflowId(): string | undefined {
  return Context.current().info.workflowExecution?.workflowId;
}
