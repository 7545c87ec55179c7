// The measured cost as text: actions, requests beside their limits, seconds of running sandboxes.
import type { Cost } from './meter.ts';
import type { Parts } from './parts.ts';
import { total } from './tally.ts';

const HEARTBEATS = /Heartbeat/;
const READS = /^GET /;
const WRITES = /^(?!GET )/;

/** Published limits: of an organisation at Anthropic a minute, of an account at E2B a second. */
export const LIMITS = { readsAMinute: 1200, writesAMinute: 300, e2bASecond: 20_000 / 30 };

const ROWS: [keyof Parts, string][] = [
  ['firstTurn', 'new session, turn of one call, until paused'],
  ['turn', 'turn of one call, from paused to paused'],
  ['hotTurn', 'turn of one call that follows at once'],
  ['call', 'each further call'],
  ['idleHour', 'idle router, an hour'],
  ['workingHour', 'session at work (a call runs), an hour'],
  ['thinkingHour', 'session at work (the model thinks), an hour'],
  ['approvalHour', 'session that waits for approval, an hour'],
  ['asleepHour', 'session asleep, an hour'],
];

export interface ReportOptions {
  graceSeconds: number;
}

export function report(parts: Parts, { graceSeconds }: ReportOptions): string {
  const width = Math.max(...ROWS.map(([, what]) => what.length));
  const head = ['actions', 'heartbeats', 'reads', 'writes', 'E2B'].map(cell).join('');
  const rows = ROWS.map(([part, what]) => {
    const { actions, anthropic, e2b } = parts[part];
    const figures = [
      total(actions),
      total(actions, HEARTBEATS),
      total(anthropic, READS),
      total(anthropic, WRITES),
      total(e2b),
    ];
    return what.padEnd(width) + figures.map((figure) => cell(number(figure))).join('');
  });
  return [
    `${' '.repeat(width)}${head}`,
    ...rows,
    '',
    'actions: Temporal actions, heartbeats included. reads, writes: requests to Anthropic. E2B: requests to its API, without',
    'those to sandboxes. Rows of sessions are beyond the idle router.',
    '',
    ...kinds('idle router, an hour', parts.idleHour),
    ...kinds('new session, turn of one call', parts.firstTurn),
    ...kinds('turn of one call', parts.turn),
    ...kinds('turn of one call that follows at once', parts.hotTurn),
    ...kinds('each further call', parts.call),
    '',
    ...limits(parts),
    '',
    sandboxes(parts, graceSeconds),
  ].join('\n');
}

function kinds(what: string, { actions }: Cost): string[] {
  const parts = Object.entries(actions)
    .sort(([, a], [, b]) => b - a)
    .filter(([, count]) => Math.abs(count) >= 0.05)
    .map(([type, count]) => `${number(count)} ${type.replace(/^(grpc|command)_/, '')}`);
  return [`${what}: ${parts.join(', ')}`];
}

function limits(parts: Parts): string[] {
  const { readsAMinute, writesAMinute, e2bASecond } = LIMITS;
  const aMinute = (part: keyof Parts, which: RegExp) =>
    number(Math.max(0, total(parts[part].anthropic, which) / 60));
  return [
    `Anthropic allows an organisation ${readsAMinute} reads and ${writesAMinute} creations a minute. The idle router makes ` +
      `${aMinute('idleHour', READS)} reads a`,
    `minute, a session at work ${aMinute('workingHour', READS)} reads and ${aMinute('workingHour', WRITES)} heartbeats of its ` +
      `lease, beside those of its turns and calls.`,
    `E2B allows an account ${number(e2bASecond)} requests to its API a second.`,
  ];
}

function sandboxes({ turn, firstTurn }: Parts, graceSeconds: number): string {
  const beyondGrace = (cost: Cost) => number(cost.sandboxSeconds - graceSeconds);
  return (
    `E2B seconds of a turn whose call takes no time: ${number(turn.sandboxSeconds)} in a paused sandbox, ` +
    `${number(firstTurn.sandboxSeconds)} in a new one. Of these ${graceSeconds} are the grace (SESSION_GRACE_SECONDS; ` +
    `its default is 30), ${beyondGrace(turn)} and ${beyondGrace(firstTurn)} waking, answering and pausing.`
  );
}

function number(value: number): string {
  const rounded = Math.abs(value) >= 20 ? Math.round(value) : Math.round(value * 10) / 10;
  return String(rounded === 0 ? 0 : rounded);
}

const cell = (text: string) => text.padStart(12);
