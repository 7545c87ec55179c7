// What the owner's hook is sent. Bounded: at most MOST_CALLS_IN_HOOK calls with a preview of their input each.
export const MOST_CALLS_IN_HOOK = 20;

/** Where a message is from. */
interface FromSession {
  session_id: string;
  /** Null until it is known. */
  environment_id: string | null;
  agent_id: string | null;
  workflow_id: string;
}

/** `since`: RFC 3339; `preview`: at most 200 characters of the input. */
export interface HookCall {
  id: string;
  name: string;
  preview: string;
  since: string;
}

/** The body is `type`, `timestamp` and `data`; the id travels in the header `webhook-id`. */
export type HookMessage = {
  /** The same in every attempt: receivers drop what they have. At most 500 characters. */
  id: string;
  /** RFC 3339. */
  timestamp: string;
} & (
  | { type: 'session.approval_required'; data: FromSession & { calls: HookCall[] } }
  /** `cause`: a fixed word; `what`: at most 500 characters; `since`: RFC 3339. */
  | { type: 'session.attention'; data: FromSession & { cause: string; what: string; since: string } }
  | { type: 'hook.test'; data: Record<string, never> }
);
