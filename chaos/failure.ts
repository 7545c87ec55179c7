// What belongs to a finding, as files: the session's Temporal history and the records of both sides.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asJson } from './histories.ts';
import type { Aftermath } from './run.ts';
import type { Judgement } from './verify.ts';

/** Sessions told of in full; one defect tends to hit many. */
const SESSIONS_KEPT = 10;

/** @returns the files that were written */
export function saveFailures(
  dir: string,
  { findings, runs, disks }: Judgement,
  { seen, struck }: Aftermath,
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
      seen: seen.find((session) => session.id === id) ?? null,
      sandboxes: disks.filter(({ sessionId }) => sessionId === id),
      struck: struck.filter(({ sessionId }) => sessionId === undefined || sessionId === id),
    };
    save(`${id}.records.json`, JSON.stringify(records, undefined, 1));
    const mine = runs.filter(({ workflowId }) => workflowId.endsWith(id));
    for (const [index, run] of mine.reverse().entries()) save(`${id}.history-${index + 1}.json`, asJson(run));
  }
  return files;
}
