// The command line of `npm run chaos`.
import { parseArgs } from 'node:util';

export const HELP = `Runs many sessions through a local router while processes are killed and faults are injected, then verifies from the
records of both sides that nothing was lost or executed twice.

Usage: npm run chaos [-- options]

  --sessions N   number of sessions; default: 200
  --calls N      tool calls per session; default: 10
  --minutes N    how long processes are killed and faults are injected; default: 10
  --seed N       seed of all random decisions; default: a random one
  --quick        20 sessions and about two minutes in total, unless other options say otherwise
  --scope S      routing scope: session, agent or environment; sessions that share sandboxes have no memory stores
  --temporal A   use the Temporal server at this address (host:port) in a namespace created for the run, and do not
                 restart it; default: a dev server of the run
  --json         print the report as JSON on standard output, everything else on standard error
  --keep         keep the state and the logs even if no counter is above zero
  --help         show this text

Exit code 0: every counter is zero. 1: a counter is not zero; the report names the files with the evidence. 2: wrong
options.
`;

export type Scope = (typeof SCOPES)[number];

export interface Options {
  sessions: number;
  calls: number;
  minutes: number;
  seed: number;
  scope: Scope;
  /** Address of a running Temporal server; null: the run starts one. */
  temporal: string | null;
  json: boolean;
  keep: boolean;
}

const SCOPES = ['session', 'agent', 'environment'] as const;

/** Shutdown, verification and replay take the second minute. */
const QUICK = { sessions: 20, calls: 8, minutes: 1 };
const FULL = { sessions: 200, calls: 10, minutes: 10 };

/** @throws an error that names the option and the values it takes */
export function readOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      sessions: { type: 'string' },
      calls: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      scope: { type: 'string', default: 'session' },
      temporal: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return 'help';
  const base = values.quick ? QUICK : FULL;
  return {
    sessions: whole('--sessions', values.sessions, base.sessions, 1, 10_000),
    calls: whole('--calls', values.calls, base.calls, 1, 1_000),
    minutes: number('--minutes', values.minutes, base.minutes, 0.1, 24 * 60),
    seed: whole('--seed', values.seed, Math.floor(Math.random() * 1e6), 0, 2 ** 32 - 1),
    scope: scopeOf(values.scope),
    temporal: values.temporal ?? null,
    json: values.json,
    keep: values.keep,
  };
}

function scopeOf(text: string): Scope {
  const scope = SCOPES.find((one) => one === text);
  if (!scope) throw new Error(`--scope takes ${SCOPES.join(', ')}, not ${text}`);
  return scope;
}

function whole(
  option: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = number(option, text, otherwise, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`${option} takes a whole number, not ${text}`);
}

function number(
  option: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return otherwise;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`${option} takes a number from ${least} to ${most}, not ${text}`);
}
