// Global setup of the tests: at the end of a run it says how a process of vitest's own died that was not meant to.
// Vitest itself reports "Worker exited unexpectedly" and neither the signal nor the file; `.ci/run` names the files.
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

export default function setup(): () => void {
  const deaths: string[] = [];
  const watch = (message: unknown) => {
    const { process: child } = message as { process: ChildProcess };
    const since = Date.now();
    child.once('exit', (code, signal) => {
      const ofVitest = child.spawnargs.some((arg) => arg.includes('/vitest/'));
      if (!ofVitest || code === 0 || signal === 'SIGTERM') return;
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
