// `managed-agents-router/replay`, for users' own tests: replays the history of a session, downloaded from Temporal's UI or
// by its command line, against the workflows of this version.
//
// This module is why the package depends on protobufjs: Temporal's packages can only read a downloaded history if they
// share one copy of protobufjs. Without our dependency npm hoists the older version that gRPC needs and installs a
// separate copy for each Temporal package.
import { Worker } from '@temporalio/worker';
import { projectPath } from './paths.ts';

/**
 * Resolves if the workflows of this version do what the history says.
 * @param history the downloaded JSON, parsed
 * @throws DeterminismViolationError if they do not
 */
export async function replayHistory(history: unknown): Promise<void> {
  await Worker.runReplayHistory(
    { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    history,
  );
}
