// Searches for credentials in histories, logs and sandboxes, where none may be.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.ts';

/** Anything that looks like a credential. One that our own scrubbing has shortened ends in an ellipsis. */
const SHAPES = /\b(?:sk-ant-[a-z0-9]{3,}-[\w-]{6,}|whsec_[\w+/=]{16,}|e2b_[0-9a-f]{16,})/;

export interface SecretFinding {
  where: string;
  /** Its first characters. */
  what: string;
}

/** All credentials of a world. */
export function secretsOf({ simulators: { anthropic, e2b } }: Pick<World, 'simulators'>): string[] {
  return [anthropic.environmentKey, anthropic.webhookSigningKey, anthropic.apiKey, e2b.apiKey];
}

/** Returns the beginning of the first credential in a text, or null. */
export function findSecret(text: string, known: string[]): string | null {
  const found = known.find((secret) => text.includes(secret)) ?? SHAPES.exec(text)?.[0];
  return found ? `${found.slice(0, 12)}…` : null;
}

export async function findSecrets(world: World): Promise<{ searched: string[]; findings: SecretFinding[] }> {
  const known = secretsOf(world);
  const findings: SecretFinding[] = [];
  const inspect = (where: string, text: string) => {
    const what = findSecret(text, known);
    if (what) findings.push({ where, what });
  };
  const histories = await inspectHistories(world, inspect);
  const logs = forEachLog(world, inspect);
  const sandboxes = await inspectSandboxes(world, inspect);
  return { searched: [`${histories} histories`, `${logs} logs`, `${sandboxes} sandboxes`], findings };
}

async function inspectHistories(
  world: World,
  inspect: (where: string, text: string) => void,
): Promise<number> {
  let count = 0;
  for await (const { workflowId, runId } of world.temporal.client.workflow.list()) {
    const history = await world.temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
    inspect(`history of ${workflowId}`, historyText(history));
    count += 1;
  }
  return count;
}

/** A history as text, with decoded payloads: its messages turn bytes into base64 before a replacer sees them. */
export function historyText(history: unknown): string {
  return JSON.stringify(history, (key, value) => {
    if (key === 'data' && typeof value === 'string') return Buffer.from(value, 'base64').toString('utf8');
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
    if (value?.type === 'Buffer' && Array.isArray(value.data))
      return Buffer.from(value.data).toString('utf8');
    return typeof value === 'bigint' ? String(value) : value;
  });
}

/** Reads the logs of the router's processes. Those of the simulators may contain credentials. */
export function forEachLog(
  { logDir }: Pick<World, 'logDir'>,
  inspect: (where: string, text: string) => void,
): number {
  const logs = readdirSync(logDir).filter((name) => /^(worker|webhook)/.test(name));
  for (const name of logs) inspect(`log ${name}`, readFileSync(join(logDir, name), 'utf8'));
  return logs.length;
}

async function inspectSandboxes(
  world: World,
  inspect: (where: string, text: string) => void,
): Promise<number> {
  let count = 0;
  const pages = world.Sandbox.list({ query: { state: ['running', 'paused'] } });
  while (pages.hasNext) {
    for (const { sandboxId } of await pages.nextItems()) {
      const sandbox = await world.Sandbox.connect(sandboxId, { timeoutMs: 60_000 });
      const command = 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"; env';
      const { stdout } = await sandbox.commands.run(command, { user: 'root' });
      inspect(`processes of sandbox ${sandboxId}`, stdout);
      const files = await sandbox.commands.run(
        'grep -rslE "sk-ant-|whsec_|e2b_[0-9a-f]{16}" /mnt/session /var/lib/toolhost /var/log /home || true',
        { user: 'root' },
      );
      if (files.stdout.trim())
        inspect(`files of sandbox ${sandboxId}`, `sk-ant-found-${files.stdout.trim()}`);
      await world.Sandbox.pause(sandboxId);
      count += 1;
    }
  }
  return count;
}
