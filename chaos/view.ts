// What a person sees while a run goes on.

import type { Faults } from './faults.ts';
import type { Struck } from './kills.ts';
import { sum } from './report.ts';
import { oldestOpenTurn, type SessionSeen } from './sessions.ts';

export interface Shown {
  seen: SessionSeen[];
  struck: Struck[];
  faults: Faults;
}

export interface View {
  tell(line: string): void;
  /** From now on, a line of figures: once a second on a terminal, else every ten. */
  show(what: Shown): void;
  close(): void;
}

export function openView(out: NodeJS.WriteStream): View {
  const began = Date.now();
  const clock = () => `${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s`;
  let timer: NodeJS.Timeout | undefined;
  let told = 0;
  const clear = () => void (out.isTTY && out.write('\r\x1b[K'));
  const tell = (line: string) => {
    clear();
    out.write(`${clock()}  ${line}\n`);
  };
  return {
    tell,
    show: ({ seen, struck, faults }) => {
      let ticks = 0;
      timer = setInterval(() => {
        for (; struck[told]?.over; told += 1) tell(wordsOf(struck[told] as Struck));
        ticks += 1;
        if (ticks % 5 === 0) void faults.look();
        const line = figures(seen, struck, sum(faults.counts()), Date.now());
        if (out.isTTY) out.write(`\r\x1b[K${clock()}  ${line}`);
        else if (ticks % 10 === 0) tell(line);
      }, 1000);
    },
    close: () => {
      clearInterval(timer);
      clear();
    },
  };
}

function wordsOf({ blow, target, sessionId, failure }: Struck): string {
  if (failure) return `${blow}: ${failure}`;
  if (!target) return `${blow}: none there`;
  return `${blow}: ${target}${sessionId ? ` of ${sessionId}` : ''}`;
}

function figures(seen: SessionSeen[], struck: Struck[], faults: number, now: number): string {
  const done = seen.filter(({ events }) => events).length;
  const open = seen.filter(({ id, events }) => id && !events).length;
  const calls = seen.flatMap(({ plan, turns }) =>
    plan.turns.flatMap(({ steps }, index) => (turns[index]?.endedAt ? steps.flat() : [])),
  ).length;
  const kills = struck.filter(({ target }) => target).length;
  const oldest = Math.round(oldestOpenTurn(seen, now) / 1000);
  return `sessions ${done} of ${seen.length} done, ${open} open · calls ${calls} · kills ${kills} · faults ${faults} · oldest open turn ${oldest} s`;
}
