// The guarantees of the router as scenarios: each acts like a client, inspects the outcome, and returns checks. The demo
// prints the checks, test/scenarios asserts them.

import { findSecrets } from '../harness/secrets.ts';
import { statusOf, workerOfCall, workflowUrl } from '../harness/session-workflow.ts';
import { commands, describeEvent, openSession, sendMessage, takeTurn } from '../harness/turns.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';

export interface Check {
  shown: string;
  /** How it was checked, and the observed values. */
  how: string;
  ok: boolean;
}

export interface Scenario {
  title: string;
  run(world: World, print: (line: string) => void): Promise<Check[]>;
}

const SMOKE = 'Use bash to printf webhook-smoke-ok. Reply with exactly what it printed.';
/** Adds one to a counter file, so that a second execution would be noticed. */
const COUNTED = 'n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) > count; sleep 6; cat count';

const firstAndFollowUp: Scenario = {
  title: 'A first turn, a pause, and a follow-up turn in the same sandbox',
  async run(world, print) {
    const sessionId = await openSession(world);
    print(`session ${sessionId}  ${workflowUrl(world, sessionId)}`);
    const smoke = await takeTurn(world.anthropic, sessionId, SMOKE, (event) =>
      print(`  ${describeEvent(event)}`),
    );
    print(`the agent says: ${smoke.answer}`);
    await takeTurn(world.anthropic, sessionId, commands('echo kept over turns > notes.txt'));
    const first = (await statusOf(world, sessionId)).sandboxId;
    await untilPaused(world, first);
    print(`sandbox ${first} is paused; a follow-up turn resumes it`);
    const followUp = await takeTurn(world.anthropic, sessionId, commands('cat notes.txt'));
    const second = (await statusOf(world, sessionId)).sandboxId;
    return [
      {
        shown: 'the smoke session ends idle with its answer',
        how: `answer "${smoke.answer}", stop reason ${smoke.stopReason}`,
        ok: smoke.answer.trim() === 'webhook-smoke-ok' && smoke.stopReason === 'end_turn',
      },
      {
        shown: 'a follow-up turn reads the file of the first one',
        how: `cat notes.txt printed "${followUp.answer.trim()}"`,
        ok: followUp.answer.trim() === 'kept over turns',
      },
      {
        shown: 'in the same sandbox',
        how: `${first} before the pause, ${second} after it`,
        ok: first !== null && first === second,
      },
    ];
  },
};

const killedWorker: Scenario = {
  title: 'A worker killed in the middle of a tool call',
  async run(world, print) {
    const sessionId = await openSession(world);
    print(`session ${sessionId}  ${workflowUrl(world, sessionId)}`);
    const turn = takeTurn(world.anthropic, sessionId, commands(COUNTED));
    turn.catch(() => undefined);
    const pid = await until('a worker runs the call', () => workerOfCall(world, sessionId));
    const victim = world.workers.find((worker) => worker.pid === pid);
    await victim?.kill();
    print(`worker ${pid} killed with SIGKILL while it ran the call`);
    await world.addWorker();
    const { answer, stopReason } = await turn;
    const recount = await takeTurn(world.anthropic, sessionId, commands('cat count'));
    return [
      {
        shown: 'another worker takes the call over, and the turn ends',
        how: `worker ${pid} ${victim?.running() === false ? 'is gone' : 'was not found'}, stop reason ${stopReason}`,
        ok: victim !== undefined && stopReason === 'end_turn',
      },
      {
        shown: 'the command ran exactly once',
        how: `counter file: ${answer.trim()} in the answer, ${recount.answer.trim()} when read again`,
        ok: answer.trim() === '1' && recount.answer.trim() === '1',
      },
    ];
  },
};

const lostWebhook: Scenario = {
  title: 'A webhook that never arrives',
  async run(world, print) {
    const { id } = (await world.admin('anthropic', 'POST', 'faults', {
      route: 'webhook.deliver',
      kind: 'lost',
    })) as { id: string };
    try {
      const sessionId = await openSession(world);
      print(`session ${sessionId}, all of its webhooks lost  ${workflowUrl(world, sessionId)}`);
      const { answer } = await takeTurn(world.anthropic, sessionId, SMOKE);
      const faults = (await world.admin('anthropic', 'GET', 'faults')) as {
        data: { id: string; taken: number }[];
      };
      const lost = faults.data.find((fault) => fault.id === id)?.taken ?? 0;
      return [
        {
          shown: 'a turn whose webhooks are lost runs all the same',
          how: `${lost} deliveries lost, answer "${answer}"`,
          ok: lost > 0 && answer.trim() === 'webhook-smoke-ok',
        },
      ];
    } finally {
      await world.admin('anthropic', 'DELETE', `faults/${id}`);
    }
  },
};

const duplicates: Scenario = {
  title: 'Every webhook delivered twice, several sessions at once',
  async run(world, print) {
    const { id } = (await world.admin('anthropic', 'POST', 'faults', {
      route: 'webhook.deliver',
      kind: 'duplicated',
    })) as { id: string };
    try {
      const sessions = await Promise.all([openSession(world), openSession(world), openSession(world)]);
      for (const sessionId of sessions) print(`session ${sessionId}  ${workflowUrl(world, sessionId)}`);
      const turns = await Promise.all(sessions.map((one) => takeTurn(world.anthropic, one, SMOKE)));
      const counts = await Promise.all(sessions.map(async (one) => (await sandboxesOf(world, one)).length));
      return [
        {
          shown: 'duplicate deliveries make one sandbox per session',
          how: `${turns.length} sessions, sandboxes: ${counts.join(', ')}`,
          ok:
            counts.every((count) => count === 1) &&
            turns.every(({ answer }) => answer === 'webhook-smoke-ok'),
        },
      ];
    } finally {
      await world.admin('anthropic', 'DELETE', `faults/${id}`);
    }
  },
};

const interrupted: Scenario = {
  title: 'An interrupt while a command runs',
  async run(world, print) {
    const sessionId = await openSession(world);
    print(`session ${sessionId}  ${workflowUrl(world, sessionId)}`);
    await sendMessage(
      world.anthropic,
      sessionId,
      commands('echo begun > begun; sleep 3; echo over > over; sleep 300'),
    );
    await until('the call runs', () => workerOfCall(world, sessionId));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await world.anthropic.beta.sessions.events.send(sessionId, { events: [{ type: 'user.interrupt' }] });
    await until('the workflow lets the call go', async () => {
      const { openCalls, callsDone } = await statusOf(world, sessionId);
      return callsDone === 1 && openCalls.length === 0;
    });
    print('the call is cancelled; the session goes on');
    const after = await takeTurn(
      world.anthropic,
      sessionId,
      commands('sleep 4; ls begun over 2>/dev/null | xargs'),
    );
    return [
      {
        shown: 'an interrupt ends the running command, and the session goes on',
        how: `of the files "begun" and "over" the next turn finds: ${after.answer.trim()}`,
        ok: after.answer.trim() === 'begun',
      },
    ];
  },
};

const noCredentials: Scenario = {
  title: 'No credential where none may be',
  async run(world) {
    const { searched, findings } = await findSecrets(world);
    const seen = findings.map(({ where, what }) => `${what} in ${where}`).join('; ');
    return [
      {
        shown: "no credential in a history, a log, or a sandbox's processes and files",
        how: seen || `searched ${searched.join(', ')}: none`,
        ok: findings.length === 0,
      },
    ];
  },
};

const pausedAtTheEnd: Scenario = {
  title: 'Idle sessions cost nothing',
  async run(world) {
    const states = await until('all sandboxes are paused', async () => {
      const found = await sandboxesOf(world);
      return found.every(({ state }) => state === 'paused') && found;
    });
    return [
      {
        shown: 'every sandbox is paused at the end',
        how: `${states.length} sandboxes, all paused`,
        ok: states.length > 0,
      },
    ];
  },
};

export const SCENARIOS: Scenario[] = [
  firstAndFollowUp,
  killedWorker,
  lostWebhook,
  duplicates,
  interrupted,
  pausedAtTheEnd,
  noCredentials,
];

async function untilPaused(world: World, sandboxId: string | null): Promise<void> {
  await until(`sandbox ${sandboxId} is paused`, async () => {
    const { state } = await world.Sandbox.getInfo(sandboxId ?? '');
    return state === 'paused';
  });
}

async function sandboxesOf(world: World, sessionId?: string) {
  const metadata = { managed_by: 'managed-agents-router', ...(sessionId ? { session: sessionId } : {}) };
  const pages = world.Sandbox.list({ query: { metadata, state: ['running', 'paused'] } });
  const found = [];
  while (pages.hasNext) found.push(...(await pages.nextItems()));
  return found;
}
