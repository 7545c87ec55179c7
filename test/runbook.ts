// The entries of docs/runbook.md, and their commands as a shell runs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { findTemporalCli } from '../harness/temporal-binary.ts';
import { projectPath } from '../src/paths.ts';

export interface Entry {
  /** The first one names the entry. */
  anchors: string[];
  section: string;
  symptom: string;
  command: string;
  /** The command's output has one of these texts. */
  promises: string[];
  cause: string;
  cure: string;
}

const WITHIN_MS = 90_000;
const PAUSE_MS = 1_000;

export const RUNBOOK = projectPath('docs/runbook.md');

export function runbookEntries(): Entry[] {
  let section = '';
  return readFileSync(RUNBOOK, 'utf8')
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('## ')) section = line.slice(3);
      if (!line.startsWith('| <a id=')) return [];
      const [symptom = '', run = '', cause = '', cure = ''] = line.slice(2, -2).split(' | ');
      const anchors = [...symptom.matchAll(/<a id="([^"]+)">/g)].map(([, anchor]) => anchor as string);
      const [command = '', ...promises] = [...run.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string);
      return [{ anchors, section, symptom, command, promises, cause, cure }];
    });
}

export interface Output {
  code: number | null;
  /** Standard output and standard error. */
  text: string;
}

export interface Runbook {
  /**
   * Runs the entry's command until its output has what the entry promises.
   * @param env what the command gets besides PATH: settings, and the variables in the command
   */
  expectEntry(anchor: string, env: Record<string, string>): Promise<Output>;
  close(): Promise<void>;
}

/** The programs are on PATH, as on the machine of a person. */
export async function openRunbook(): Promise<Runbook> {
  const dir = await mkdtemp(join(tmpdir(), 'runbook-'));
  const program = join(dir, 'managed-agents-router');
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${projectPath('src/main.ts')}" "$@"\n`);
  await chmod(program, 0o755);
  await symlink(await findTemporalCli(), join(dir, 'temporal'));
  const entries = runbookEntries();
  // One command at a time: many at once would starve what they look at.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (command: string, env: Record<string, string>): Promise<Output> => {
    const output = last.then(() => shell(command, env, dir));
    last = output.catch(() => undefined);
    return output;
  };
  return {
    async expectEntry(anchor, env) {
      const entry = entries.find(({ anchors }) => anchors.includes(anchor));
      if (!entry) throw new Error(`docs/runbook.md has no entry ${anchor}`);
      const { command, promises } = entry;
      const keptPromise = ({ text }: Output) => promises.some((promise) => text.includes(promise));
      const all = { PATH: `${dir}:${process.env.PATH}`, ...env };
      const until = Date.now() + WITHIN_MS;
      let output = await inTurn(command, all);
      while (!keptPromise(output) && Date.now() < until) {
        await sleep(PAUSE_MS);
        output = await inTurn(command, all);
      }
      expect(keptPromise(output), `${anchor}: ${command}\n${output.text}`).toBe(true);
      return output;
    },
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

async function shell(command: string, env: Record<string, string>, cwd: string): Promise<Output> {
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const [code] = await once(child, 'close');
  // Wrapped for people: compared as one line.
  return { code: code as number | null, text: text.replace(/\s*\n\s+/g, ' ') };
}
