// Finds and kills what tool calls have started, by marks in the environment and by descent. A process that both clears
// its environment and leaves its family (`env -i setsid … &` of a parent that has ended) is not found.
import { readdirSync, readFileSync } from 'node:fs';

/** Variables that every process of a tool call inherits. */
export const MARKS = {
  boot: 'TOOLHOST_BOOT',
  session: 'TOOLHOST_SESSION',
  thread: 'TOOLHOST_THREAD',
  /** Set anew for each command, so a process that an earlier command started keeps that command's id. */
  call: 'TOOLHOST_CALL',
} as const;

type Marks = Partial<Record<keyof typeof MARKS, string>>;

interface Process {
  pid: number;
  parent: number;
  /** The pid of the leader of its session, in the kernel's sense: of a shell and all that did not leave it. */
  leader: number;
  /** In ticks since the system began. */
  startedAt: number;
  marks: Marks;
}

/** New processes may appear while others are killed, so look again, at most this often. */
const ROUNDS = 10;
/** The kernel's unit of time, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Now, as processes state their start. */
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
 * Kills what one command started, and nothing else: not what earlier commands left running, nor what that starts.
 * @param shell the pid of the shell that ran it, which may be dead @param since when the command began, in ticks
 */
export function killStartedBy(call: string, shell: number, since: number): number {
  return killRepeatedly((all) => {
    const byPid = new Map(all.map((one) => [one.pid, one] as const));
    const decided = new Map<number, boolean>();
    const belongs = (one: Process): boolean => {
      const known = decided.get(one.pid);
      if (known !== undefined) return known;
      // Guards against a loop of parents, which a listing taken while processes end could show.
      decided.set(one.pid, false);
      const parent = byPid.get(one.parent);
      let answer: boolean;
      if (one.pid === shell) answer = false;
      else if (one.marks.call !== undefined) answer = one.marks.call === call;
      // Without a mark: forked from the shell and nothing executed since, or started with an environment of its own.
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

/** Kills what a command started under an earlier boot of the toolhost, and the shell that ran it; returns how many. */
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
        // It has ended by itself.
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

/** Undefined for a process that has ended, whether or not its parent has noticed. */
function readProcess(pid: number): Process | undefined {
  try {
    // The name, in parentheses, may hold anything.
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

/** None for a process of a user whose environment this one may not read. */
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
