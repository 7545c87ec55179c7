// Global setup of the tests, about vitest's own processes: at the end of a run it says how one died that was not meant
// to (vitest reports "Worker exited unexpectedly" and neither the signal nor the file; `.ci/run` names the files), and
// a run that is ended by a signal ends them, which vitest leaves running.
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

export default function setup(): () => void {
  const deaths: string[] = [];
  const running = new Set<ChildProcess>();
  process.once('exit', () => {
    for (const child of running) child.kill('SIGTERM');
  });
  const watch = (message: unknown) => {
    const { process: child } = message as { process: ChildProcess };
    const since = Date.now();
    running.add(child);
    child.once('exit', (code, signal) => {
      running.delete(child);
      const ofVitest = child.spawnargs.some((arg) => arg.includes('/vitest/'));
      if (!ofVitest || code === 0 || code === 143 || signal === 'SIGTERM') return;
      const seconds = ((Date.now() - since) / 1_000).toFixed(1);
      deaths.push(`process ${child.pid} of vitest ended with ${signal ?? code} after ${seconds} s`);
    });
  };
  subscribe('child_process', watch);
  return () => {
    unsubscribe('child_process', watch);
    for (const death of deaths) console.error(death);
  };
}
