// Looks for credentials where none may be: histories, logs, the processes of sandboxes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.ts';

/** Anything that looks like one; a credential cut short by our own scrubbing ends in an ellipsis. */
const SHAPES = /\b(?:sk-ant-[a-z0-9]{3,}-[\w-]{6,}|whsec_[\w+/=]{16,}|e2b_[0-9a-f]{16,})/;

export interface Sighting {
  where: string;
  /** The first characters only. */
  what: string;
}

/** Every credential of a world. */
export function secretsOf({ simulators: { anthropic, e2b } }: Pick<World, 'simulators'>): string[] {
  return [anthropic.environmentKey, anthropic.webhookSigningKey, anthropic.apiKey, e2b.apiKey];
}

/** The first credential in a text, cut short; null without one. */
export function secretIn(text: string, known: string[]): string | null {
  const found = known.find((secret) => text.includes(secret)) ?? SHAPES.exec(text)?.[0];
  return found ? `${found.slice(0, 12)}…` : null;
}

export async function findSecrets(world: World): Promise<{ searched: string[]; sightings: Sighting[] }> {
  const known = secretsOf(world);
  const sightings: Sighting[] = [];
  const look = (where: string, text: string) => {
    const what = secretIn(text, known);
    if (what) sightings.push({ where, what });
  };
  const histories = await eachHistory(world, look);
  const logs = eachLog(world, look);
  const sandboxes = await eachSandbox(world, look);
  return { searched: [`${histories} histories`, `${logs} logs`, `${sandboxes} sandboxes`], sightings };
}

async function eachHistory(world: World, look: (where: string, text: string) => void): Promise<number> {
  let count = 0;
  for await (const { workflowId, runId } of world.temporal.client.workflow.list()) {
    const history = await world.temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
    look(`history of ${workflowId}`, readable(history));
    count += 1;
  }
  return count;
}

/** A history as text, its payloads decoded. */
export function readable(history: unknown): string {
  return JSON.stringify(history, (_key, value) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
    if (value?.type === 'Buffer' && Array.isArray(value.data))
      return Buffer.from(value.data).toString('utf8');
    return typeof value === 'bigint' ? String(value) : value;
  });
}

/** The logs of the router's own processes; those of the simulators are not ours to judge. */
export function eachLog(
  { logDir }: Pick<World, 'logDir'>,
  look: (where: string, text: string) => void,
): number {
  const logs = readdirSync(logDir).filter((name) => /^(worker|webhook)/.test(name));
  for (const name of logs) look(`log ${name}`, readFileSync(join(logDir, name), 'utf8'));
  return logs.length;
}

async function eachSandbox(world: World, look: (where: string, text: string) => void): Promise<number> {
  let count = 0;
  const pages = world.Sandbox.list({ query: { state: ['running', 'paused'] } });
  while (pages.hasNext) {
    for (const { sandboxId } of await pages.nextItems()) {
      const sandbox = await world.Sandbox.connect(sandboxId, { timeoutMs: 60_000 });
      const command = 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"; env';
      const { stdout } = await sandbox.commands.run(command, { user: 'root' });
      look(`processes of sandbox ${sandboxId}`, stdout);
      const files = await sandbox.commands.run(
        'grep -rslE "sk-ant-|whsec_|e2b_[0-9a-f]{16}" /mnt/session /var/lib/toolhost /var/log /home || true',
        { user: 'root' },
      );
      if (files.stdout.trim()) look(`files of sandbox ${sandboxId}`, `sk-ant-found-${files.stdout.trim()}`);
      await world.Sandbox.pause(sandboxId);
      count += 1;
    }
  }
  return count;
}
