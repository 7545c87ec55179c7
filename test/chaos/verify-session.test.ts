// Verification of a chaos run with forged records: finds each defect, and excuses only the effects of kills.
import { describe, expect, it } from 'vitest';
import type { SessionEvent, Store } from '../../chaos/client.ts';
import type { Disk } from '../../chaos/evidence.ts';
import type { Kill } from '../../chaos/kills.ts';
import { type Extras, planSessions } from '../../chaos/plan.ts';
import { planKills } from '../../chaos/schedule.ts';
import type { ObservedSession } from '../../chaos/sessions.ts';
import { emptyTally, verifySession } from '../../chaos/verify-session.ts';

const AT = Date.parse('2026-01-01T00:00:00Z');
const time = (seconds: number) => new Date(AT + seconds * 1000).toISOString();
const use = {
  id: 'u1',
  type: 'agent.tool_use',
  name: 'bash',
  input: { command: 'echo t1 began' },
  processed_at: time(0),
};
const result = (text: string, seconds = 2) => ({
  type: 'user.tool_result',
  tool_use_id: 'u1',
  processed_at: time(seconds),
  content: [{ type: 'text', text }],
});
const CUT = 'The sandbox that ran this command no longer exists.';

interface Forged {
  events?: unknown[];
  interrupted?: boolean;
  /** Lines on the disk of each sandbox. */
  disks?: string[][];
  removedAt?: number | null;
  kills?: Kill[];
  extras?: Partial<Extras>;
  store?: Store;
  /** Copied outputs. */
  outputs?: string[];
  /** The call waits for its approval. */
  asks?: boolean;
  /** The service refuses the call's output. */
  refused?: boolean;
  hostile?: string;
}

function verified({ events, interrupted = false, disks = [['t1 began', 't1 ended']], ...more }: Forged) {
  const approveAfterMs = more.asks ? 0 : null;
  const refused = more.refused === true;
  const steps = [[{ token: 't1', command: 'echo t1 began', approveAfterMs, refused }]];
  const extras = { memory: false, skill: false, outputs: false, ...more.extras };
  const turn = { restMs: 0, steps, interruptAfterMs: null };
  const session: ObservedSession = {
    plan: {
      name: 's001',
      hostile: more.hostile ?? null,
      startAtMs: 0,
      extras,
      turns: [turn],
      ending: 'archive',
    },
    id: 'sesn_1',
    storeId: more.store ? 'memstore_1' : null,
    store: more.store ?? null,
    turns: [{ sentAt: AT, endedAt: AT + 3_000, interrupted }],
    events: events ? (events as SessionEvent[]) : null,
    endedAt: AT + 4_000,
    failure: null,
  };
  const found = disks.map(
    (calls, index): Disk => ({
      sandboxId: `i${index + 1}`,
      sessionId: 'sesn_1',
      createdAt: AT,
      removedAt: more.removedAt === undefined ? AT + 5_000 : more.removedAt,
      calls,
      journal: [],
    }),
  );
  const tally = emptyTally();
  const findings = verifySession(session, found, more.outputs ?? [], more.kills ?? [], tally);
  return { counters: findings.map(({ counter }) => counter), tally };
}

const killAfter = (seconds: number): Kill => ({
  at: AT + seconds * 1000,
  kind: 'kill sandbox',
  target: 'i1',
  sessionId: 'sesn_1',
  over: true,
});

describe('a call', () => {
  it('whose output is refused is answered with an error that says so, and no other call is', () => {
    const told = result('The command ran, but its output was refused by the API and cannot be shown.');
    expect(verified({ events: [use, told], refused: true })).toMatchObject({
      counters: [],
      tally: { refused: 1, done: 0 },
    });
    expect(verified({ events: [use, told] }).counters).toEqual(['results lost']);
    expect(verified({ events: [use], refused: true }).counters).toEqual(['results lost']);
    expect(verified({ events: [use, told], refused: true, disks: [[]] }).counters).not.toEqual([]);
  });

  it('that ran once and was answered once is done', () => {
    expect(verified({ events: [use, result('t1 done')] })).toEqual({
      counters: [],
      tally: { ...emptyTally(), done: 1 },
    });
  });

  it.each<[string, Forged]>([
    ['sessions not ended', {}],
    ['calls run twice', { events: [use, result('t1 done')], disks: [['t1 began', 't1 began']] }],
    [
      'calls run twice',
      { events: [use, result(CUT)], disks: [['t1 began'], ['t1 began']], kills: [killAfter(1)] },
    ],
    ['results lost', { events: [use] }],
    ['results lost', { events: [use, result(CUT)] }],
    ['results accepted twice', { events: [use, result('t1 done'), result('t1 done')] }],
    ['calls never run though their sandbox lived', { events: [use, result('t1 done')], disks: [[]] }],
    [
      'calls never run though their sandbox lived',
      { events: [use, result(CUT)], disks: [[]], kills: [killAfter(9)] },
    ],
    ['sandboxes beyond one per session', { events: [use, result('t1 done')], disks: [['t1 began'], []] }],
  ])('counts as %s: %o', (counter, forged) => {
    expect(verified(forged).counters).toEqual([counter]);
  });

  it('whose answer says that a kill of its sandbox interrupted it is not a defect', () => {
    const { counters, tally } = verified({
      events: [use, result(CUT)],
      disks: [['t1 began']],
      kills: [killAfter(1)],
    });
    expect(counters).toEqual([]);
    expect(tally.cutOff).toBe(1);
  });

  it('whose worker died after its sandbox was killed is not a defect: its outcome cannot be known', () => {
    const unknown = `${CUT} Whether the command had an effect is unknown, and it was not run again.`;
    const forged = { events: [use, result(unknown)], disks: [[]] };
    const worker: Kill = { at: AT + 1_000, kind: 'kill worker', target: 'worker-1', over: true };
    expect(verified({ ...forged, kills: [killAfter(-9), worker] }).counters).toEqual([]);
    for (const kills of [[killAfter(-9)], [worker], [killAfter(-9), { ...worker, at: AT - 5_000 }]])
      expect(verified({ ...forged, kills }).counters).toEqual(['calls never run though their sandbox lived']);
  });

  it('of an interrupted turn may stay unanswered, but not run twice', () => {
    expect(verified({ events: [use], interrupted: true }).counters).toEqual([]);
    const twice = { events: [use], interrupted: true, disks: [['t1 began', 't1 began']] };
    expect(verified(twice).counters).toEqual(['calls run twice']);
  });
});

describe('of a call that is done', () => {
  const events = [use, result('t1 done')];
  const allowed = (seconds: number) => ({
    type: 'user.tool_confirmation',
    tool_use_id: 'u1',
    result: 'allow',
    processed_at: time(seconds),
  });
  const contents = { '/t1': 't1\n' };
  const all = {
    extras: { memory: true, skill: true, outputs: true },
    asks: true,
    store: { contents, changes: ['created /t1'] },
    outputs: ['t1'],
  };

  it('all that belongs to it is counted', () => {
    const { counters, tally } = verified({ ...all, events: [...events, allowed(1)] });
    expect(counters).toEqual([]);
    expect(tally).toMatchObject({ memories: 1, skilled: 1, approved: 1, outputs: 1 });
  });

  it.each<[string, Forged]>([
    ['memories lost', { extras: { memory: true }, store: { contents: {}, changes: [] } }],
    [
      'memories lost',
      { extras: { memory: true }, store: { contents: { '/t1': '' }, changes: ['created /t1'] } },
    ],
    [
      'memories saved twice',
      { extras: { memory: true }, store: { contents, changes: ['created /t1', 'created /t1'] } },
    ],
    [
      'memories saved twice',
      { extras: { memory: true }, store: { contents, changes: ['created /t1', 'modified /t1'] } },
    ],
    ['calls without their skill', { extras: { skill: true }, disks: [['t1 began', 't1 unskilled']] }],
    ['calls run without their approval', { asks: true }],
    ['calls run without their approval', { asks: true, events: [...events, allowed(3)] }],
    ['outputs lost', { extras: { outputs: true } }],
  ])('is missed as %s: %o', (counter, forged) => {
    expect(verified({ events, ...forged }).counters).toEqual([counter]);
  });

  it('a memory that is not saved is excused where the model was told so', () => {
    const lost = { extras: { memory: true }, store: { contents: {}, changes: [] } };
    const unavailable = result('[Memory is not available now (no token)] t1 done');
    expect(verified({ events: [use, unavailable], ...lost }).counters).toEqual([]);
  });

  it('memories unsaved when the sandbox was killed are excused, later ones are not', () => {
    const lost = { extras: { memory: true, outputs: true }, store: { contents: {}, changes: [] } };
    expect(verified({ events, ...lost, kills: [killAfter(3)] }).counters).toEqual([]);
    const restart = { ...killAfter(3), kind: 'restart sandbox' as const };
    expect(verified({ events, ...lost, kills: [{ ...restart, failure: 'fetch failed' }] }).counters).toEqual(
      [],
    );
    expect(verified({ events, ...lost, kills: [restart] }).counters).toEqual([
      'memories lost',
      'outputs lost',
    ]);
    expect(verified({ events, ...lost, kills: [killAfter(-3)] }).counters).toEqual([
      'memories lost',
      'outputs lost',
    ]);
  });
});

describe('a session whose sandbox turned hostile', () => {
  it('has nothing to be found but that its turn ended', () => {
    expect(verified({ events: [], disks: [], hostile: 'null' })).toMatchObject({
      counters: [],
      tally: { hostile: 1 },
    });
    expect(verified({ hostile: 'null' }).counters).toEqual(['sessions not ended']);
  });
});

describe('the plan', () => {
  const options = { sessions: 20, calls: 8, memory: true, canary: null, spreadMs: 40_000 };

  it('is the same for the same seed, and differs for another seed', () => {
    expect(planSessions({ seed: 7, ...options })).toEqual(planSessions({ seed: 7, ...options }));
    expect(planSessions({ seed: 8, ...options })).not.toEqual(planSessions({ seed: 7, ...options }));
    expect(planKills(7, 60_000)).toEqual(planKills(7, 60_000));
  });

  it('has the requested number of calls, each with its own token', () => {
    const calls = planSessions({ seed: 7, ...options }).flatMap(({ turns }) =>
      turns.flatMap(({ steps }) => steps.flat()),
    );
    expect(new Set(calls.map(({ token }) => token)).size).toBe(20 * 8);
  });

  it('has a share of sessions whose only call turns their sandbox hostile, where there is a canary', () => {
    const plans = planSessions({ seed: 7, ...options, canary: 'http://127.0.0.1:1/canary' });
    const hostile = plans.filter((plan) => plan.hostile);
    expect(hostile.map((plan) => plan.hostile)).toEqual(['redirect-307', 'huge']);
    for (const { turns } of hostile) expect(turns.flatMap(({ steps }) => steps.flat())).toHaveLength(1);
  });

  it('restarts Temporal twice and each simulator once', () => {
    const count = (wanted: string) => planKills(7, 60_000).filter(({ kind }) => kind === wanted).length;
    expect(count('restart Temporal')).toBe(2);
    expect(count('restart simulator anthropic')).toBe(1);
    expect(count('restart simulator e2b')).toBe(1);
  });
});
