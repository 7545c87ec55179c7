// `sessions history export`: every run of a session's workflow, in the form that Temporal's UI downloads and the replay test
// reads.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Command } from 'commander';
import { routerCommand } from '../../program-name.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { type TemporalAccess, withTemporal } from '../temporal.ts';
import { sessionIdOf } from './ids.ts';

/** The runs of a session, oldest first. */
interface Runs {
  runs: Run[];
  /** The first run continues one that Temporal no longer keeps. */
  earlierRunsDeleted: boolean;
}

interface Run {
  runId: string;
  /** RFC 3339. */
  startedAt: string;
  events: number;
  /** The history as Temporal's UI downloads it. */
  history: unknown;
}

const TO_STDOUT = '-';

export function addHistoryCommands(sessions: Command, context: CommandContext): void {
  sessions
    .command('history')
    .description('the histories of a session')
    .command('export')
    .description(
      'write the history of a session, one file for each run of its workflow, for examples/replay-test; encrypted payloads stay encrypted',
    )
    .argument('<id>', 'id of the session', sessionIdOf)
    .option(
      '-o, --output <folder>',
      'folder for the files, created if need be; - prints one JSON value with all runs',
      'histories',
    )
    .action((sessionId: string, { output: folder }: { output: string }) =>
      withTemporal(context, async (temporal) => {
        const found = await readRuns(temporal, sessionId);
        const output = context.output();
        if (found.earlierRunsDeleted)
          output.progress(`Earlier runs of session ${sessionId} are missing: Temporal keeps them no longer.`);
        if (folder === TO_STDOUT) {
          process.stdout.write(`${JSON.stringify({ sessionId, ...found })}\n`);
          return;
        }
        const files = write(folder, sessionId, found.runs);
        const value = { sessionId, earlierRunsDeleted: found.earlierRunsDeleted, runs: files };
        output.result(value, () => {
          const count = files.length === 1 ? 'One run' : `${files.length} runs`;
          return [`${count} of session ${sessionId}:`, ...files.map(({ file }) => `  ${file}`)].join('\n');
        });
      }),
    );
}

async function readRuns({ client, names }: TemporalAccess, sessionId: string): Promise<Runs> {
  const runs: Run[] = [];
  const workflowId = names.sessionWorkflowId(sessionId);
  let runId: string | undefined;
  do {
    const run = await readRun(client, workflowId, runId);
    if (!run && runs.length > 0) return { runs, earlierRunsDeleted: true };
    if (!run)
      throw new CommandError(
        `Temporal has no session ${sessionId}. \`${routerCommand('sessions list --all')}\` lists the sessions that it keeps`,
        EXIT.notFound,
      );
    runs.unshift(run.run);
    runId = run.continues;
  } while (runId);
  return { runs, earlierRunsDeleted: false };
}

/**
 * @param runId default: the latest run
 * @returns undefined if Temporal does not have it
 */
async function readRun(client: TemporalAccess['client'], workflowId: string, runId?: string) {
  const handle = client.workflow.getHandle(workflowId, runId);
  try {
    const known = runId ?? (await handle.describe()).runId;
    // By the id of the run: the workflow may continue as new at any time.
    const history = await client.workflow.getHandle(workflowId, known).fetchHistory();
    const [first] = history.events ?? [];
    const started = first?.workflowExecutionStartedEventAttributes;
    return {
      run: {
        runId: known,
        startedAt: new Date(Number(first?.eventTime?.seconds ?? 0) * 1000).toISOString(),
        events: history.events?.length ?? 0,
        history: JSON.parse(historyToJSON(history)) as unknown,
      },
      continues: started?.continuedExecutionRunId || undefined,
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function write(folder: string, sessionId: string, runs: readonly Run[]) {
  try {
    mkdirSync(folder, { recursive: true });
    return runs.map(({ history, ...run }, index) => {
      const file = join(folder, `${sessionId}-${String(index + 1).padStart(3, '0')}.json`);
      writeFileSync(file, JSON.stringify(history));
      return { ...run, file };
    });
  } catch (error) {
    throw new CommandError(
      `The histories cannot be written to ${folder} (${(error as NodeJS.ErrnoException).code}): choose another folder with --output`,
    );
  }
}
