// Measures the parts of a turn from the logs of the router and the toolhost.
import { readFileSync } from 'node:fs';
import { workflowOf } from '../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../harness/turns.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';

const TOOLHOST_LOG = '/var/log/toolhost/worker.log';

export interface FirstTool {
  /** Milliseconds from the webhook's arrival to the start of the first tool call. */
  coldMs: number[];
  pausedMs: number[];
  hotMs: number[];
}

/** One session per round with three turns: in a new sandbox, while it is hot, and after a pause. */
export async function firstToolTimes(world: World, rounds: number): Promise<FirstTool> {
  const times: FirstTool = { coldMs: [], pausedMs: [], hotMs: [] };
  for (let round = 0; round < rounds; round += 1) {
    const sessionId = await openSession(world);
    times.coldMs.push(await turnToTool(world, sessionId));
    times.hotMs.push(await turnToTool(world, sessionId));
    await untilPaused(world, sessionId);
    times.pausedMs.push(await turnToTool(world, sessionId));
  }
  return times;
}

export interface BackToBack {
  /** Milliseconds from one tool call of the model to its next. */
  callMs: number[];
  /** Workflow history events per call. */
  eventsPerCall: number;
}

/** One turn with many calls, each made after the result of the previous one. */
export async function backToBack(world: World, calls: number): Promise<BackToBack> {
  const sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('true'));
  const before = await historyEvents(world, sessionId);
  const { events } = await takeTurn(world.anthropic, sessionId, commands(...Array(calls).fill('true')));
  const after = await historyEvents(world, sessionId);
  const asked = events.filter(({ type }) => type === 'agent.tool_use').map(({ processed_at: at }) => at);
  const callMs = asked.slice(1).map((at, index) => Date.parse(String(at)) - Date.parse(String(asked[index])));
  return { callMs, eventsPerCall: (after - before) / calls };
}

async function turnToTool(world: World, sessionId: string): Promise<number> {
  const sentAt = Date.now();
  await takeTurn(world.anthropic, sessionId, commands('true'));
  const arrivedAt = await until('the delivery is logged', async () => arrivalOf(world, sessionId, sentAt));
  return (await toolStart(world, sessionId, sentAt)) - arrivedAt;
}

/** Epoch ms of the first delivery after `since` that reports the start of a turn. */
function arrivalOf(world: World, sessionId: string, since: number): number | null {
  for (const line of readFileSync(world.webhook.logFile, 'utf8').split('\n')) {
    if (!line.includes(sessionId) || !line.includes('session.status_run_started')) continue;
    const { time, ms, outcome } = JSON.parse(line) as { time: string; ms: number; outcome?: string };
    const arrived = Date.parse(time) - ms;
    if (outcome && arrived >= since) return arrived;
  }
  return null;
}

async function toolStart(world: World, sessionId: string, since: number): Promise<number> {
  const sandbox = await sandboxOf(world, sessionId);
  const log = await sandbox.files.read(TOOLHOST_LOG);
  const starts = log
    .split('\n')
    .filter((line) => line.includes('"call started"'))
    .map((line) => Date.parse((JSON.parse(line) as { at: string }).at));
  const first = starts.find((at) => at >= since);
  if (first === undefined) throw new Error(`no call in ${TOOLHOST_LOG} of session ${sessionId}`);
  return first;
}

async function sandboxOf(world: World, sessionId: string) {
  const [info] = await world.Sandbox.list({ query: { metadata: { session: sessionId } } }).nextItems();
  if (!info) throw new Error(`session ${sessionId} has no running sandbox`);
  return world.Sandbox.connect(info.sandboxId, { timeoutMs: 600_000 });
}

async function untilPaused(world: World, sessionId: string): Promise<void> {
  await until(`the sandbox of ${sessionId} is paused`, async () => {
    const query = { metadata: { session: sessionId }, state: ['paused' as const] };
    return (await world.Sandbox.list({ query }).nextItems()).length > 0;
  });
}

async function historyEvents(world: World, sessionId: string): Promise<number> {
  const { workflow } = world.temporal.client;
  const { workflowId } = workflowOf(world, sessionId);
  // If the workflow has continued as new, its earlier runs count, too.
  let count = 0;
  for await (const { runId } of workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
    count += events?.length ?? 0;
  }
  return count;
}
