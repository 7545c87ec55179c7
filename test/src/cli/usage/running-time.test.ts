// Running seconds from lifecycle events: whole lives, and what is missing, late, repeated or out of order.
import { expect, it } from 'vitest';
import { type Now, runningTime, type SandboxEvent } from '../../../../src/cli/usage/running-time.ts';

const SIZE = { vcpus: 2, memoryMib: 512 };
const WINDOW = { since: 0, until: 10_000_000 };
const STOPPED: Now = { state: 'stopped' };
const s = (seconds: number) => seconds * 1000;

/** An event at a second; a run is given by its beginning and its length. */
function event(kind: SandboxEvent['kind'], at: number, run?: [from: number, seconds: number]): SandboxEvent {
  return {
    id: `${kind} ${at}`,
    sandboxId: 'i1',
    at: s(at),
    kind,
    metadata: {},
    ...(run ? { run: { startedAt: s(run[0]), ms: s(run[1]), size: SIZE } } : {}),
  };
}
const LIFE = [
  event('created', 100),
  event('paused', 160, [100, 60]),
  event('resumed', 500),
  event('paused', 530, [500, 30]),
  event('resumed', 900),
  event('killed', 910, [900, 10]),
];

it.each<[string, SandboxEvent[], Now, { seconds: number; complete?: boolean }]>([
  ['a whole life', LIFE, STOPPED, { seconds: 100 }],
  ['events in the wrong order', [...LIFE].reverse(), STOPPED, { seconds: 100 }],
  ['every event twice', [...LIFE, ...LIFE], STOPPED, { seconds: 100 }],
  ['no events', [], STOPPED, { seconds: 0 }],
  [
    'still running',
    LIFE.slice(0, 3),
    { state: 'running', startedAt: s(500), size: SIZE },
    { seconds: 60 + 9500 },
  ],
  ['a resume whose event is missing', LIFE.slice(0, 2).concat(LIFE.slice(3)), STOPPED, { seconds: 100 }],
  [
    'still running, and the event of its start is missing',
    LIFE.slice(0, 2),
    { state: 'running', startedAt: s(500) },
    { seconds: 60 + 9500 },
  ],
  [
    'a pause whose event is missing',
    [LIFE[0], ...LIFE.slice(2)] as SandboxEvent[],
    STOPPED,
    { seconds: 40, complete: false },
  ],
  ['a last end that is missing', LIFE.slice(0, 5), STOPPED, { seconds: 90, complete: false }],
  ['nobody knows whether it runs', LIFE.slice(0, 5), { state: 'unknown' }, { seconds: 90, complete: false }],
  ['nobody knows whether it runs, but it had ended', LIFE, { state: 'unknown' }, { seconds: 100 }],
  ['killed twice', [...LIFE, { ...event('killed', 912, [900, 10]), id: 'again' }], STOPPED, { seconds: 100 }],
  [
    'killed while paused, without a run of its own',
    [...LIFE.slice(0, 4), { ...event('killed', 4000), run: {} }],
    STOPPED,
    { seconds: 90 },
  ],
  [
    'killed while paused, reporting the last run once more',
    [...LIFE.slice(0, 4), event('killed', 4000, [500, 30])],
    STOPPED,
    { seconds: 90 },
  ],
  ['older events without runs', LIFE.map(({ run, ...rest }) => rest), STOPPED, { seconds: 100 }],
  ['an older end without its beginning', [event('paused', 160)], STOPPED, { seconds: 0, complete: false }],
  [
    'clocks that differ: events up to seconds after their runs',
    [
      event('created', 103),
      event('paused', 161, [100, 60]),
      event('resumed', 504),
      event('killed', 509, [500, 5]),
    ],
    STOPPED,
    { seconds: 65 },
  ],
  [
    'clocks that differ: a run that ends before its resume is reported',
    [event('paused', 501, [500, 1]), event('resumed', 502)],
    STOPPED,
    { seconds: 1 },
  ],
  [
    'a quick second run, whose end is missing, is no part of the first',
    [event('created', 100), event('paused', 102, [100, 2]), event('resumed', 103)],
    STOPPED,
    { seconds: 2, complete: false },
  ],
  [
    'a run that ends before it begins',
    [event('created', 100), { ...event('killed', 90), run: { startedAt: s(100) } }],
    STOPPED,
    { seconds: 0 },
  ],
])('%s', (_what, events, now, { seconds, complete = true }) => {
  expect(runningTime(events, now, WINDOW)).toMatchObject({ seconds, complete });
  for (let turn = 1; turn < events.length; turn += 1) {
    const turned = [...events.slice(turn), ...events.slice(0, turn)];
    expect(runningTime(turned, now, WINDOW)).toMatchObject({ seconds, complete });
  }
});

it('counts what lies in the window alone', () => {
  const within = (since: number, until: number, now: Now = STOPPED, events = LIFE) =>
    runningTime(events, now, { since: s(since), until: s(until) });
  expect(within(130, 510)).toMatchObject({ seconds: 40, complete: true });
  expect(within(200, 400)).toMatchObject({ seconds: 0, complete: true });
  expect(within(0, 50)).toMatchObject({ seconds: 0, complete: true });
  // Started before the window and still running; the events of the start are no longer kept.
  expect(within(1_000, 1_010, { state: 'running', startedAt: s(500) }, [])).toMatchObject({ seconds: 10 });
  // The missing pause lies before the window: nothing in it is unknown.
  const missing = [LIFE[0], ...LIFE.slice(2)] as SandboxEvent[];
  expect(within(600, 10_000, STOPPED, missing)).toMatchObject({ seconds: 10, complete: true });
});

it('knows the size from the list, or from the newest event that says it', () => {
  expect(runningTime(LIFE, STOPPED, WINDOW).size).toEqual(SIZE);
  const larger = { vcpus: 4, memoryMib: 1024 };
  expect(runningTime(LIFE, { state: 'running', startedAt: 0, size: larger }, WINDOW).size).toEqual(larger);
  expect(runningTime([event('created', 1)], STOPPED, WINDOW)).not.toHaveProperty('size');
});
