// Runs `managed-agents-router …` as a process, with these variables alone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { projectPath } from '../../../src/paths.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** @param input written to standard input @param cwd working directory, which may have a `.env` */
export async function runCommand(
  args: string[],
  env: Record<string, string>,
  input = '',
  cwd = tmpdir(),
): Promise<Ran> {
  const child = spawn(process.execPath, [projectPath('src/main.ts'), ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}
