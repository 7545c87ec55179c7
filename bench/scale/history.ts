// Events and bytes of workflow history over a long session, by the number of calls it has made.
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import { startWorld, type World } from '../../harness/world.ts';
import type { Curve } from './curve.ts';

const CALLS_PER_TURN = 20;
const QUICK_CALLS_PER_TURN = 2;

interface Histories {
  runs: number;
  events: number;
  bytes: number;
  longest: number;
}

export const history: Curve = {
  summary: 'events and bytes of history of one session with many calls',
  of: 'calls',
  sizes: [100, 500, 1000, 2000],
  quickSizes: [4],
  async *measure(sizes, setup) {
    const perTurn = setup.quick ? QUICK_CALLS_PER_TURN : CALLS_PER_TURN;
    const world = await startWorld({
      stateDir: setup.folder(),
      switches: ['model-delay-ms=0'],
      workers: setup.workers,
      onStarted: setup.log,
      ...(await setup.temporal()),
    });
    try {
      const sessionId = await openSession(world);
      let done = 0;
      let last: Histories = { runs: 0, events: 0, bytes: 0, longest: 0 };
      for (const size of sizes) {
        const [begunAt, before] = [Date.now(), done];
        while (done < size) {
          await takeTurn(world.anthropic, sessionId, commands(...Array(perTurn).fill('true')));
          done += perTurn;
        }
        const seconds = (Date.now() - begunAt) / 1000;
        setup.log(`${done} calls, the last ${done - before} in ${seconds.toFixed(0)} s`);
        const now = await historiesOf(world, sessionId);
        const turns = (done - before) / perTurn;
        yield {
          calls: done,
          'runs (continued as new)': now.runs,
          'longest run, events': now.longest,
          'events in all': now.events,
          'KiB in all': now.bytes / 1024,
          'events/turn': (now.events - last.events) / turns,
          'KiB/turn': (now.bytes - last.bytes) / 1024 / turns,
          'events/call': (now.events - last.events) / (done - before),
          'ms/call': (seconds * 1000) / (done - before),
        };
        last = now;
      }
    } finally {
      await world.close();
    }
  },
};

/** Of all runs that the session's workflow has had. */
async function historiesOf(world: World, sessionId: string): Promise<Histories> {
  const all: Histories = { runs: 0, events: 0, bytes: 0, longest: 0 };
  const { workflowId } = workflowOf(world, sessionId);
  let runId: string | undefined;
  do {
    const run = await workflowOf(world, sessionId, runId).describe();
    const events = run.historyLength;
    all.runs += 1;
    all.events += events;
    all.bytes += Number(run.historySize ?? 0);
    all.longest = Math.max(all.longest, events);
    runId = await runBefore(world, workflowId, run.runId);
  } while (runId);
  return all;
}

/** The run that continued as new in this one. */
async function runBefore(world: World, workflowId: string, runId: string): Promise<string | undefined> {
  const { workflowService } = world.temporal.connection;
  const { history: first } = await workflowService.getWorkflowExecutionHistory({
    namespace: world.namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const started = first?.events?.[0]?.workflowExecutionStartedEventAttributes;
  return started?.continuedExecutionRunId || undefined;
}
