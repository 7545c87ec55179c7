// Starts the hostile server in a process of its own, so that its memory is not taken for the router's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HOSTILE_PROGRAM: string = fileURLToPath(new URL('server.mjs', import.meta.url));

export interface HostileServer {
  origin: string;
  /** How many requests came. */
  requests(): Promise<number>;
  stop(): void;
}

/**
 * A command that turns the sandbox that runs it hostile: it takes the toolhost's port. Without the variables of the
 * toolhost, by which a new one would know what the old one left.
 */
export function turnHostile(attack: string, port: number, canary: string): string {
  const program = readFileSync(HOSTILE_PROGRAM).toString('base64');
  const start = `env -i PATH="$PATH" HOSTILE_HOST=0.0.0.0 setsid node /tmp/server.mjs ${port} ${attack} ${canary}`;
  return [
    `echo ${program} | base64 -d > /tmp/server.mjs`,
    `(${start} < /dev/null > /dev/null 2>&1 &)`,
    'sleep 1',
    "pkill -KILL -f 'toolhost[.]mjs$'",
    'sleep 30',
  ].join('; ');
}

/** @param paths which paths are attacked, as a regular expression; the others are answered well */
export async function startHostile(
  attack: string,
  { canary = 'http://127.0.0.1:1/', paths = '.' } = {},
): Promise<HostileServer> {
  const args = [HOSTILE_PROGRAM, '0', attack, canary, paths];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const origin = `http://127.0.0.1:${Number(line.toString())}`;
  return {
    origin,
    requests: async () => (await (await fetch(`${origin}/requests`)).json()) as number,
    stop: () => void child.kill('SIGKILL'),
  };
}
