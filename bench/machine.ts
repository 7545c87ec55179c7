// What else the machine did while the benchmark ran.
import { cpus, loadavg } from 'node:os';

export interface MachineLoad {
  processors: number;
  model: string;
  /** Load average of the minute before the run: what others do. */
  loadBefore: number;
  /** Load average of the run's last minute. */
  loadAfter: number;
  /** Share of all processor time of the run that was in use, by the contestants and by others. */
  busy: number;
}

/** Returns a function that reports the load since then. */
export function observeMachine(): () => MachineLoad {
  const loadBefore = loadavg()[0] ?? Number.NaN;
  const before = processorTimes();
  return () => {
    const after = processorTimes();
    const all = cpus();
    return {
      processors: all.length,
      model: all[0]?.model ?? 'unknown',
      loadBefore,
      loadAfter: loadavg()[0] ?? Number.NaN,
      busy: 1 - (after.idle - before.idle) / (after.total - before.total),
    };
  };
}

function processorTimes(): { idle: number; total: number } {
  let [idle, total] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle, total };
}
