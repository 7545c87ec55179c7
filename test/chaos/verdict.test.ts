// The reckoning of a chaos run, with forged records: each defect is seen, and what a blow excuses is not one.
import { describe, expect, it } from 'vitest';
import type { Struck } from '../../chaos/blows.ts';
import type { SessionEvent } from '../../chaos/client.ts';
import type { Disk } from '../../chaos/evidence.ts';
import { planSessions } from '../../chaos/plan.ts';
import { planBlows } from '../../chaos/schedule.ts';
import type { SessionSeen } from '../../chaos/sessions.ts';
import { judgeSession } from '../../chaos/verdict.ts';

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
  struck?: Struck[];
}

function judged({ events, interrupted = false, disks = [['t1 began', 't1 ended']], ...more }: Forged) {
  const steps = [[{ token: 't1', command: 'echo t1 began' }]];
  const turn = { restMs: 0, steps, interruptAfterMs: null };
  const session: SessionSeen = {
    plan: { name: 's001', startAtMs: 0, turns: [turn], ending: 'archive' },
    id: 'sesn_1',
    turns: [{ saidAt: AT, endedAt: AT + 3_000, interrupted }],
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
  const tally = { done: 0, cutOff: 0, interrupted: 0 };
  const findings = judgeSession(session, found, more.struck ?? [], tally);
  return { counters: findings.map(({ counter }) => counter), tally };
}

const blow = (seconds: number): Struck => ({
  at: AT + seconds * 1000,
  blow: 'kill sandbox',
  target: 'i1',
  sessionId: 'sesn_1',
  over: true,
});

describe('a call', () => {
  it('that ran once and was answered once is done', () => {
    expect(judged({ events: [use, result('t1 done')] })).toEqual({
      counters: [],
      tally: { done: 1, cutOff: 0, interrupted: 0 },
    });
  });

  it.each<[string, Forged]>([
    ['sessions not ended', {}],
    ['calls run twice', { events: [use, result('t1 done')], disks: [['t1 began', 't1 began']] }],
    [
      'calls run twice',
      { events: [use, result(CUT)], disks: [['t1 began'], ['t1 began']], struck: [blow(1)] },
    ],
    ['results lost', { events: [use] }],
    ['results lost', { events: [use, result(CUT)] }],
    ['results accepted twice', { events: [use, result('t1 done'), result('t1 done')] }],
    ['calls never run though their sandbox lived', { events: [use, result('t1 done')], disks: [[]] }],
    [
      'calls never run though their sandbox lived',
      { events: [use, result(CUT)], disks: [[]], struck: [blow(9)] },
    ],
    ['sandboxes beyond one per session', { events: [use, result('t1 done')], disks: [['t1 began'], []] }],
  ])('counts as %s: %o', (counter, forged) => {
    expect(judged(forged).counters).toEqual([counter]);
  });

  it('that was cut off by a blow on its sandbox, and says so, is none', () => {
    const { counters, tally } = judged({
      events: [use, result(CUT)],
      disks: [['t1 began']],
      struck: [blow(1)],
    });
    expect(counters).toEqual([]);
    expect(tally.cutOff).toBe(1);
  });

  it('of an interrupted turn may stay unanswered, but not run twice', () => {
    expect(judged({ events: [use], interrupted: true }).counters).toEqual([]);
    const twice = { events: [use], interrupted: true, disks: [['t1 began', 't1 began']] };
    expect(judged(twice).counters).toEqual(['calls run twice']);
  });
});

describe('the plan', () => {
  const options = { sessions: 20, calls: 8, spreadMs: 40_000 };

  it('is the same for the same seed, another for another', () => {
    expect(planSessions({ seed: 7, ...options })).toEqual(planSessions({ seed: 7, ...options }));
    expect(planSessions({ seed: 8, ...options })).not.toEqual(planSessions({ seed: 7, ...options }));
    expect(planBlows(7, 60_000)).toEqual(planBlows(7, 60_000));
  });

  it('has the calls that were asked for, each with a token of its own', () => {
    const calls = planSessions({ seed: 7, ...options }).flatMap(({ turns }) =>
      turns.flatMap(({ steps }) => steps.flat()),
    );
    expect(new Set(calls.map(({ token }) => token)).size).toBe(20 * 8);
  });

  it('restarts Temporal twice and each stand-in once', () => {
    const count = (wanted: string) => planBlows(7, 60_000).filter(({ blow: one }) => one === wanted).length;
    expect(count('restart Temporal')).toBe(2);
    expect(count('restart stand-in anthropic')).toBe(1);
    expect(count('restart stand-in e2b')).toBe(1);
  });
});
