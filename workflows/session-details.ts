// What a session's status says beyond the lists: for the command line, which reads it without a worker.
/** The sandbox was lost with its files, came back in an earlier state, or was replaced by a person. */
export type ModelNotice = 'files-lost' | 'files-rolled-back' | 'sandbox-replaced';

export interface SessionDetails {
  /** Empty until it is known. */
  environmentId: string;
  /** `since`: RFC 3339. */
  turn: { state: 'running' | 'waiting' | 'idle'; reason: string; since: string };
  sandbox: {
    ready: boolean;
    /** What the model has not been told yet about its files. */
    notice?: ModelNotice;
    /** Why none could be started. */
    failure?: string;
  };
  /** RFC 3339; a turn is under way without a work item, and the session is inspected at this time. */
  inspectionDue?: string;
  /** Milliseconds that the sandbox stays awake after a turn. */
  graceMs: number;
  /** Ids of open calls that no work item covers. */
  orphanedCalls: string[];
  /** The last calls that are over, oldest first. */
  lastCalls: { name: string; preview: string; outcome: string }[];
  memory?: { stores: string[]; problems: string[] };
  outputs?: {
    files: { path: string; size: number }[];
    count: number;
    bytes: number;
    /** False where there are more than were counted. */
    complete: boolean;
  };
  skillProblems?: string[];
  /** A person has paused the session; `at`: RFC 3339. */
  paused?: { by: string; at: string };
  /** Why the workflow ended. */
  ended?: string;
}
