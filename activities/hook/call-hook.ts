// Calls the owner's hook. Retries are Temporal's; a hook that says it is gone is not called again with the same message.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { HookFailed, postToHook } from '../../src/clients/hook.ts';
import type { HookConfig } from '../../src/config.ts';
import { type Activities, RETRY } from '../../workflows/contract.ts';
import { defineActivity } from '../define-activity.ts';
import { finalFailure } from '../errors.ts';

export function createCallHook(hook: HookConfig): Pick<Activities, 'callHook'> {
  return {
    callHook: defineActivity(async ({ message }): Promise<void> => {
      const { cancellationSignal } = Context.current();
      try {
        await postToHook(hook, message, cancellationSignal);
      } catch (error) {
        if (!(error instanceof HookFailed)) throw error;
        if (error.gone) throw finalFailure(error.message);
        const { message: text, retryAfterMs } = error;
        throw ApplicationFailure.create({
          message: text,
          type: RETRY,
          ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
        });
      }
    }),
  };
}
