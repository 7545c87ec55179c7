// The names of a deployment. Every task queue and workflow id is made here from the deployment's name, so that several
// deployments (staging, production, a demo) share a namespace without taking each other's tasks.

/** A deployment without a name of its own; its workflow ids have no prefix. */
export const DEFAULT_DEPLOYMENT = 'managed-agents-router';

export interface DeploymentNames {
  /** Of the Worker Deployment, whose versions are builds. */
  deployment: string;
  /** Of all workflows; those of activities begin with it (task-queues.ts). A workflow knows its deployment by it. */
  taskQueue: string;
  /** Workflow that counts running sandboxes; one for all environments, since E2B counts by account. */
  slotsWorkflowId: string;
  sessionWorkflowId(sessionId: string): string;
  environmentWorkflowId(environmentId: string): string;
  /** Of a sandbox that sessions share; the key is the environment, or the environment and an agent. */
  sandboxWorkflowId(key: string): string;
}

export function namesOf(deployment: string = DEFAULT_DEPLOYMENT): DeploymentNames {
  const prefix = deployment === DEFAULT_DEPLOYMENT ? '' : `${deployment}.`;
  return {
    deployment,
    taskQueue: deployment,
    slotsWorkflowId: `${prefix}sandbox-slots`,
    sessionWorkflowId: (sessionId) => `${prefix}session-${sessionId}`,
    environmentWorkflowId: (environmentId) => `${prefix}environment-${environmentId}`,
    sandboxWorkflowId: (key) => `${prefix}sandbox-${key}`,
  };
}
