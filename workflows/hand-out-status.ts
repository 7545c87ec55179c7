// Hands a workflow's status out of a replay (src/status-replay.ts): what the query `status` would answer, after
// each activation. Other workers load this module too, but for them it does nothing.
import { proxySinks, type Sinks, type WorkflowInterceptors, workflowInfo } from '@temporalio/workflow';
import { STATUS_REPLAY, statusQuery } from './messages.ts';

/** Registered by the replay alone. */
export interface StatusSinks extends Sinks {
  status: { handOut(status: unknown): void };
}

type Handler = (() => unknown) | undefined;
/** Temporal's own record of a workflow's handlers: no public function reads a query from inside. */
interface Activator {
  queryHandlers: Map<string, { handler: Handler }>;
}

export function interceptors(): WorkflowInterceptors {
  if (!workflowInfo().taskQueue.startsWith(STATUS_REPLAY)) return {};
  const { status } = proxySinks<StatusSinks>();
  return {
    internals: [
      {
        concludeActivation: (input, next) => {
          const activator = (globalThis as { __TEMPORAL_ACTIVATOR__?: Activator }).__TEMPORAL_ACTIVATOR__;
          const handler = activator?.queryHandlers.get(statusQuery.name)?.handler;
          if (handler) status.handOut(handler());
          return next(input);
        },
      },
    ],
  };
}
