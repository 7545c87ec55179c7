// The last step of setup: a first message, which the router must carry to a sandbox and back.
import { randomBytes } from 'node:crypto';
import type Anthropic from '@anthropic-ai/sdk';
import { routerCommand } from '../../program-name.ts';
import { CommandError, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { anthropicClient, askAnthropic } from './clients.ts';
import { followTurn, type TurnEnd } from './follow-turn.ts';
import { startRouter } from './router-process.ts';
import type { Run } from './run.ts';
import { openSession } from './send.ts';
import type { Step } from './step.ts';
import { describeEvent } from './turn-events.ts';

/** A first sandbox and a slow model may take a while. */
const SMOKE_WITHIN_MS = 5 * 60_000;
const HEALTH_WITHIN_MS = 2_000;

export const smoke: Step = {
  name: 'smoke test',
  plan: async (run) =>
    run.options.smoke
      ? 'send a message that runs a command in a sandbox, and follow it to its answer'
      : undefined,
  bring: async (run) => {
    if (!run.options.smoke) return undefined;
    const serving = await isServing(run);
    if (serving) run.dialog.done('A router serves this environment already; the message goes to it');
    else run.dialog.begins('Starting the router for the smoke test');
    // The router never needs the organisation's key.
    const router = serving
      ? undefined
      : await startRouter({ ...run.env, ANTHROPIC_API_KEY: undefined }, run.signal);
    let passed = false;
    try {
      if (router) run.dialog.done('The router runs');
      await Promise.race([test(run), ...(router ? [router.ended] : [])]);
      passed = true;
    } catch (error) {
      if (error instanceof CommandError && router && error.exitCode === EXIT.failed)
        throw new CommandError(`${error.message}. The router's log: ${router.logFile}`, EXIT.failed);
      throw error;
    } finally {
      await router?.stop(!passed && !run.signal.aborted);
    }
    return 'Smoke test passed: the command ran in a sandbox and its output came back';
  },
};

async function test(run: Run): Promise<void> {
  const proof = `router-works-${randomBytes(4).toString('hex')}`;
  const text = `Use bash to printf ${proof}. Reply with exactly what it printed.`;
  const { client, variable, sessionId } = await begin(run, text);
  run.dialog.begins(`Session ${sessionId}: ${text}`);
  const late = AbortSignal.timeout(SMOKE_WITHIN_MS);
  let end: TurnEnd;
  try {
    end = await followTurn({
      client,
      variable,
      sessionId,
      known: new Set(),
      waitForApprovals: true,
      onEvent: (event) => {
        const line = describeEvent(event);
        if (line) run.dialog.detail(line);
      },
      onWaiting: (ids) => {
        for (const id of ids)
          run.dialog.warn(
            `A call waits for approval: ${routerCommand(`approvals allow ${sessionId} --call ${id}`)}`,
          );
      },
      signal: AbortSignal.any([run.signal, late]),
    });
  } catch (error) {
    if (!late.aborted || run.signal.aborted) throw error;
    throw new CommandError(
      `Smoke test failed: session ${sessionId} did not come to an end within ${SMOKE_WITHIN_MS / 60_000} minutes. ${routerCommand(`sessions show ${sessionId}`)} says what it waits for`,
    );
  }
  if (end.how !== 'answered' || end.calls === 0 || !end.answer.includes(proof))
    throw new CommandError(
      `Smoke test failed: the turn of session ${sessionId} ended with ${end.reason}, ${counted(end.calls, 'tool call')} and ${end.answer ? 'another answer' : 'no answer'}. ${routerCommand(`sessions show ${sessionId}`)} says more`,
    );
  run.result.smoke = { sessionId, answer: end.answer, calls: end.calls };
}

/** Opens the session; without the organisation's key, a person does it in the Console. */
async function begin(
  run: Run,
  text: string,
): Promise<{ client: Anthropic; variable: string; sessionId: string }> {
  const { id = '', agent = '', key = '' } = run.environment;
  if (run.apiKey) {
    const client = anthropicClient(run.settings, run.apiKey);
    const { sessionId } = await openSession(client, text, { environment: id, agent });
    return { client, variable: 'ANTHROPIC_API_KEY', sessionId };
  }
  run.dialog.instruct([
    'In the Console, start a session of one of your agents:',
    `1. Choose the environment ${id}.`,
    `2. Send: ${text}`,
    '3. Copy the id of the session, which begins with sesn_.',
  ]);
  const sessionId = await run.dialog.text('Id of the session', (value) =>
    /^[\w-]{5,128}$/.test(value) ? undefined : 'It must be an id like sesn_011CZkZ9X2dpNyB7HsEFoRfW',
  );
  return { client: anthropicClient(run.settings, key), variable: run.keyVariable, sessionId };
}

/** Whether a router on this machine answers and the environment's queue is polled. */
async function isServing(run: Run): Promise<boolean> {
  const { host, port } = run.settings.webhook;
  const { id = '', key = '' } = run.environment;
  const address = host === '0.0.0.0' ? '127.0.0.1' : host;
  try {
    const health = await fetch(`http://${address}:${port}/health`, {
      signal: AbortSignal.timeout(HEALTH_WITHIN_MS),
    });
    if (!health.ok) return false;
  } catch {
    return false;
  }
  const { workers_polling } = await askAnthropic(run.keyVariable, `environment ${id}`, () =>
    anthropicClient(run.settings, key).beta.environments.work.stats(id),
  );
  return (workers_polling ?? 0) > 0;
}
