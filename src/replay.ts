// `managed-agents-router/replay`, for users' own tests: replays the history of a session, downloaded from Temporal's UI or
// by its command line, against the workflows of this version.
//
// This module is why the package depends on protobufjs: Temporal's packages can only read a downloaded history if they
// share one copy of protobufjs. Without our dependency npm hoists the older version that gRPC needs and installs a
// separate copy for each Temporal package.
import { Worker } from '@temporalio/worker';
import { dataConverterOf, workflowBundle } from './payload-codec/data-converter.ts';
import type { EncryptionConfig } from './payload-codec/key-ring.ts';

export type { EncryptionConfig } from './payload-codec/key-ring.ts';

/**
 * Resolves if the workflows of this version do what the history says.
 * @param history the downloaded JSON, parsed
 * @param encryption the folder of the keys, where the history is encrypted
 * @throws DeterminismViolationError if they do not
 */
export async function replayHistory(history: unknown, encryption?: EncryptionConfig): Promise<void> {
  const codePath = workflowBundle(encryption);
  await Worker.runReplayHistory({ workflowBundle: { codePath }, ...dataConverterOf(encryption) }, history);
}
