// Which activities share slots. Each pool is a task queue with a Temporal Worker of its own in every worker process
// (src/worker-pools.ts), so that a long activity never occupies a slot that a short one, or the one that ends it, needs.
// docs/guarantees.md lists what waits for what. The names are API of running workflows.
export const POOLS = {
  /** On the workflow's own task queue: only there do activities start eagerly, which saves a call 66 ms. */
  toolCalls: ['runToolCall'],
  /** Starts, ends or frees something, within two minutes. */
  short: [
    'inspectSession',
    'checkSession',
    'findSession',
    'claimWork',
    'requestSlot',
    'requestSharedSandbox',
    'restSession',
    'stopWork',
    'pauseSandbox',
    'killSandboxes',
    'cancelToolCall',
    'interruptSession',
    'endSessionProcesses',
    'postResult',
    'findEndedWorkflows',
  ],
  /** Minutes, and depends on outside services alone. */
  preparation: ['prepareSandbox', 'prepareSharedSandbox', 'enterSharedSandbox', 'syncMemory', 'reconcile'],
  /** Up to hours; nothing but the end of a sandbox waits for it. */
  copies: ['copyOutputs'],
  /** Depends on the owner's server alone; nothing waits for it. */
  hooks: ['callHook'],
  /** As long as a turn. */
  sessionWatches: ['watchSession'],
  /** One for each environment, for ever. */
  queueWatches: ['watchQueue'],
} as const;

export type Pool = keyof typeof POOLS;
export type ActivityOf<P extends Pool> = (typeof POOLS)[P][number];

const SUFFIXES: Record<Pool, string> = {
  toolCalls: '',
  short: '-short',
  preparation: '-preparation',
  copies: '-copies',
  hooks: '-hooks',
  sessionWatches: '-session-watches',
  queueWatches: '-queue-watches',
};

/** @param taskQueue that of the deployment's workflows */
export function taskQueueOf(pool: Pool, taskQueue: string): string {
  return `${taskQueue}${SUFFIXES[pool]}`;
}
