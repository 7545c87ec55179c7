// Prints the progress of a run.

import type { Faults } from './faults.ts';
import type { Kill } from './kills.ts';
import { sum } from './report.ts';
import { type ObservedSession, oldestOpenTurn } from './sessions.ts';

export interface Shown {
  sessions: ObservedSession[];
  kills: Kill[];
  faults: Faults;
}

export interface View {
  print(line: string): void;
  /** From now on, prints a line of figures: every second on a terminal, else every ten seconds. */
  show(what: Shown): void;
  close(): void;
}

export function openView(out: NodeJS.WriteStream): View {
  const began = Date.now();
  const clock = () => `${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s`;
  let timer: NodeJS.Timeout | undefined;
  let printed = 0;
  const clear = () => void (out.isTTY && out.write('\r\x1b[K'));
  const print = (line: string) => {
    clear();
    out.write(`${clock()}  ${line}\n`);
  };
  return {
    print,
    show: ({ sessions, kills, faults }) => {
      let ticks = 0;
      timer = setInterval(() => {
        for (; kills[printed]?.over; printed += 1) print(describeKill(kills[printed] as Kill));
        ticks += 1;
        if (ticks % 5 === 0) void faults.readCounts();
        const line = figures(sessions, kills, sum(faults.counts()), Date.now());
        if (out.isTTY) out.write(`\r\x1b[K${clock()}  ${line}`);
        else if (ticks % 10 === 0) print(line);
      }, 1000);
    },
    close: () => {
      clearInterval(timer);
      clear();
    },
  };
}

function describeKill({ kind, target, sessionId, failure }: Kill): string {
  if (failure) return `${kind}: ${failure}`;
  if (!target) return `${kind}: no target`;
  return `${kind}: ${target}${sessionId ? ` of ${sessionId}` : ''}`;
}

function figures(sessions: ObservedSession[], kills: Kill[], faults: number, now: number): string {
  const done = sessions.filter(({ events }) => events).length;
  const open = sessions.filter(({ id, events }) => id && !events).length;
  const calls = sessions.flatMap(({ plan, turns }) =>
    plan.turns.flatMap(({ steps }, index) => (turns[index]?.endedAt ? steps.flat() : [])),
  ).length;
  const killCount = kills.filter(({ target }) => target).length;
  const oldest = Math.round(oldestOpenTurn(sessions, now) / 1000);
  return `sessions ${done} of ${sessions.length} done, ${open} open · calls ${calls} · kills ${killCount} · faults ${faults} · oldest open turn ${oldest} s`;
}
