// Finds and kills the processes that tool calls have started, by marks in their environment and by their parents. It does
// not find a process that clears its environment, starts a session of its own and outlives its parent (`env -i setsid … &`).
import { readdirSync, readFileSync } from 'node:fs';

/** Variables that every process of a tool call inherits. */
export const MARKS = {
  boot: 'TOOLHOST_BOOT',
  session: 'TOOLHOST_SESSION',
  thread: 'TOOLHOST_THREAD',
  /** Set before each command, so that a process keeps the id of the command that started it. */
  call: 'TOOLHOST_CALL',
} as const;

type Marks = Partial<Record<keyof typeof MARKS, string>>;

interface Process {
  pid: number;
  parent: number;
  /** Pid of the leader of its kernel session: the shell, for everything that has not left the shell's session. */
  leader: number;
  /** In ticks since the system booted. */
  startedAt: number;
  marks: Marks;
}

/** New processes may appear while others are killed, so the search is repeated, at most this often. */
const ROUNDS = 10;
/** The kernel's clock unit, which is the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The current time in the unit of a process's start: ticks since the system booted. */
export function ticksNow(): number {
  const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  return Math.floor(Number(uptime) * TICKS_PER_SECOND);
}

/** Kills every process of a session; returns how many. */
export function killSession(session: string): number {
  return killRepeatedly((all) =>
    all.filter(({ marks }) => marks.boot !== undefined && (marks.session ?? '') === session),
  );
}

/**
 * Kills the processes that one command started. It spares those that earlier commands left running, and their children.
 * @param shell pid of the shell that ran the command; the shell may be dead
 * @param since start of the command in ticks
 * @returns how many processes were killed
 */
export function killStartedBy(call: string, shell: number, since: number): number {
  return killRepeatedly((all) => {
    const byPid = new Map(all.map((one) => [one.pid, one] as const));
    const decided = new Map<number, boolean>();
    const belongs = (one: Process): boolean => {
      const known = decided.get(one.pid);
      if (known !== undefined) return known;
      // Stops at a loop of parents, which a list that was read while processes end can contain.
      decided.set(one.pid, false);
      const parent = byPid.get(one.parent);
      let answer: boolean;
      if (one.pid === shell) answer = false;
      else if (one.marks.call !== undefined) answer = one.marks.call === call;
      // No mark: the shell forked it and it has not called exec yet, or it was started with another environment.
      else if (parent && parent.pid !== shell && isTools(parent)) answer = belongs(parent);
      else answer = one.leader === shell && one.startedAt >= since;
      decided.set(one.pid, answer);
      return answer;
    };
    const isTools = (one: Process): boolean =>
      one.leader === shell || one.marks.boot !== undefined || belongs(one);
    return all.filter(belongs);
  });
}

/** Kills the processes of a call that ran under an earlier boot of the toolhost, and its shell; returns how many. */
export function killCutOff(call: { id: string; boot: string; session: string; thread: string }): number {
  return killRepeatedly((all) =>
    all.filter(({ marks }) => {
      if (marks.boot !== call.boot || (marks.session ?? '') !== call.session) return false;
      if ((marks.thread ?? '') !== call.thread) return false;
      return marks.call === undefined || marks.call === call.id;
    }),
  );
}

function killRepeatedly(select: (all: Process[]) => Process[]): number {
  const killed = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = select(listProcesses());
    if (found.length === 0) break;
    for (const { pid } of found) {
      try {
        process.kill(pid, 'SIGKILL');
        killed.add(pid);
      } catch {
        // It has ended meanwhile.
      }
    }
  }
  return killed.size;
}

function listProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

/** Undefined for a process that has ended, zombies included. */
function readProcess(pid: number): Process | undefined {
  try {
    // The name of the program stands in parentheses and may contain anything, spaces and parentheses included.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [state, parent, , leader] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    return {
      pid,
      parent: Number(parent),
      leader: Number(leader),
      startedAt: Number(fields[19]),
      marks: marksOf(pid),
    };
  } catch {
    return undefined;
  }
}

/** Empty for a process of another user, whose environment cannot be read. */
function marksOf(pid: number): Marks {
  let environment: string[];
  try {
    environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return {};
  }
  const marks: Marks = {};
  for (const [kind, name] of Object.entries(MARKS)) {
    const entry = environment.find((variable) => variable.startsWith(`${name}=`));
    if (entry !== undefined) marks[kind as keyof Marks] = entry.slice(name.length + 1);
  }
  return marks;
}
