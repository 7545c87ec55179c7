// Saves the evidence of findings as files: the sessions' Temporal histories and the records of both sides.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asJson } from './histories.ts';
import type { RunResult } from './run.ts';
import type { Verification } from './verify-run.ts';

/** Maximum number of sessions to save: one defect tends to hit many. */
const SESSIONS_KEPT = 10;

/** @returns the paths of the files */
export function saveFailures(
  dir: string,
  { findings, runs, disks }: Verification,
  { sessions, kills }: RunResult,
): string[] {
  const ids = [...new Set(findings.flatMap(({ sessionId }) => sessionId ?? []))].slice(0, SESSIONS_KEPT);
  const files: string[] = [];
  const save = (name: string, text: string) => {
    const file = join(dir, name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(file, text);
    files.push(file);
  };
  for (const id of ids) {
    const records = {
      findings: findings.filter(({ sessionId }) => sessionId === id),
      session: sessions.find((session) => session.id === id) ?? null,
      sandboxes: disks.filter(({ sessionId }) => sessionId === id),
      kills: kills.filter(({ sessionId }) => sessionId === undefined || sessionId === id),
    };
    save(`${id}.records.json`, JSON.stringify(records, undefined, 1));
    const mine = runs.filter(({ workflowId }) => workflowId.endsWith(id));
    for (const [index, run] of mine.reverse().entries()) save(`${id}.history-${index + 1}.json`, asJson(run));
  }
  return files;
}
