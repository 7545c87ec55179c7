// More calls at once than a message, or the state of a session, has room for.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SessionView } from '../../../activities/session/session-view.ts';
import { until } from '../../../harness/until.ts';
import { MOST_CALLS_IN_MESSAGE } from '../../../workflows/messages.ts';
import { type Script, type SessionWorld, startSessionWorld, watchUntilRecalled } from '../session-world.ts';

const CALLS = 1_200;
const ids = Array.from({ length: CALLS }, (_, n) => `sevt_01${String(n).padStart(22, '0')}`);
const event = (more: object) => more as Parameters<SessionView['apply']>[0];

let world: SessionWorld;
beforeAll(async () => {
  world = await startSessionWorld();
});
afterAll(() => world.close());

/** Watches as the activity does: lists everything, and tells of what the workflow does not know, in parts. */
const watching: Script = {
  watchSession: async (args, it) => {
    const view = new SessionView(args.known, args.turn);
    for (const id of ids)
      view.apply(event({ id, type: 'agent.tool_use', name: 'bash', input: { command: `echo ${id}` } }));
    for (const { call } of it.argsOf('runToolCall'))
      view.apply(event({ id: `sevt_of_${call.id}`, type: 'user.tool_result', tool_use_id: call.id }));
    const { opened } = view.report();
    while (opened.length > 0) await it.opened(...opened.splice(0, MOST_CALLS_IN_MESSAGE));
    return watchUntilRecalled();
  },
};

it.concurrent('1,200 calls at once are all run, each once, in their order', {
  timeout: 240_000,
}, async () => {
  const session = world.session(watching);
  await session.claimed('work_1');
  await until('all calls are done', async () => (await session.status()).callsDone === CALLS, 220_000);
  expect(session.argsOf('runToolCall').map(({ call }) => call.id)).toEqual(ids);
  expect(await session.status()).toMatchObject({ openCalls: [], attention: [], malformedSignals: 0 });
});

it.concurrent('1,200 calls that nobody holds are found in parts', { timeout: 240_000 }, async () => {
  const session = world.session({
    inspectSession: async ({ orphanedCalls, known }, it) => {
      const done = new Set(it.argsOf('runToolCall').map(({ call }) => call.id));
      for (const { id } of known ?? []) done.add(id);
      const open = ids.filter((id) => !done.has(id)).map((id) => ({ id, name: 'bash', preview: 'echo' }));
      const live = done.size < CALLS;
      return {
        ours: true,
        live,
        ended: null,
        orphanedCalls: orphanedCalls ? open.slice(0, MOST_CALLS_IN_MESSAGE) : [],
      };
    },
  });
  await session.webhookReceived();
  await until('all calls are done', async () => (await session.status()).callsDone === CALLS, 220_000);
  expect(session.argsOf('runToolCall').map(({ call }) => call.id)).toEqual(ids);
});
