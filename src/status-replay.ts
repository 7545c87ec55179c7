// Learns the status of a session without a worker: replays its history with the workflows of this build. The workflow
// itself says its status (workflows/hand-out-status.ts), so that query, UI and command line cannot disagree.
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { type SessionStatus, STATUS_REPLAY } from '../workflows/messages.ts';
import { dataConverterOf, workflowBundle } from './payload-codec/data-converter.ts';
import type { EncryptionConfig } from './payload-codec/key-ring.ts';

type History = Parameters<typeof Worker.runReplayHistory>[1];

/**
 * The status at the end of a history.
 * @param encryption the folder of the keys, where the history is encrypted
 * @returns null if the workflow has not run yet
 * @throws DeterminismViolationError if the workflows of this build are not those of the history
 */
export async function replayStatus(
  history: History,
  workflowId: string,
  encryption?: EncryptionConfig,
): Promise<SessionStatus | null> {
  quiet();
  let status: SessionStatus | null = null;
  const handOut = (_info: unknown, latest: SessionStatus) => {
    status = latest;
  };
  await Worker.runReplayHistory(
    {
      workflowBundle: { codePath: workflowBundle(encryption) },
      ...dataConverterOf(encryption),
      replayName: STATUS_REPLAY,
      sinks: { status: { handOut: { fn: handOut, callDuringReplay: true } } },
    },
    history,
    workflowId,
  );
  return status;
}

let quieted = false;

/** The runtime reports each start and stop, and what it finds in a history: the caller says what matters. */
function quiet(): void {
  if (quieted) return;
  quieted = true;
  try {
    Runtime.install({
      logger: new DefaultLogger('ERROR', () => undefined),
      telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
      shutdownSignals: [],
    });
  } catch {
    // The process has a runtime of its own already.
  }
}
