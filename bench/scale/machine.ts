// The machine that figures are from: figures of different machines, or of a busy and an idle one, do not compare.
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  /** RFC 3339 */
  at: string;
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  /** Mean number of processes that wanted a core over the last minute. */
  load: number;
}

export function describeMachine(): Machine {
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    load: Number(loadavg()[0]?.toFixed(1)),
  };
}
