// `managed-agents-router/replay`: for tests of those who run the router. Replays the history of a session, as Temporal's
// UI or command line downloads it, against the workflows of this version.
//
// This is why the package depends on protobufjs: Temporal's packages read such a JSON only where they share one copy of
// it, and without ours npm gives each its own, since gRPC's older one takes the place at the top.
import { Worker } from '@temporalio/worker';
import { projectPath } from './paths.ts';

/**
 * @param history the downloaded JSON, parsed
 * @throws DeterminismViolationError where this version would not do what the history says
 */
export async function replayHistory(history: unknown): Promise<void> {
  await Worker.runReplayHistory(
    { workflowBundle: { codePath: projectPath('bundles/workflows.js') } },
    history,
  );
}
