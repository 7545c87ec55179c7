// A world with several environments, each for a kind of trouble, for the tests of docs/runbook.md.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { inject } from 'vitest';
import { statusOf } from '../harness/session-workflow.ts';
import { openSession, sendMessage } from '../harness/turns.ts';
import { until } from '../harness/until.ts';
import type { World } from '../harness/world.ts';
import { type Output, openRunbook } from './runbook.ts';
import { startTestWorld } from './test-world.ts';

export interface RunbookWorld extends World {
  /** Folder for the test's own files. */
  dir: string;
  /** Settings for Temporal alone. */
  temporalOnly: Record<string, string>;
  /** Ids by name; `main` is the simulator's own. */
  environments: Record<string, string>;
  /** Environment keys by name. */
  keys: Record<string, string>;
  /** Runs the command of a runbook entry until it says what the entry promises. */
  entry(anchor: string, variables?: Record<string, string>): Promise<Output>;
  fault(of: 'anthropic' | 'e2b', rule: object): Promise<void>;
  /** Opens a session and sends it a message. */
  open(text: string, environment?: string): Promise<string>;
  /** Waits until a call of the session runs. @returns the id of its sandbox and of the call */
  running(id: string): Promise<{ sandboxId: string; callId: string; workId: string }>;
}

/**
 * @param environments settings of each environment beside the simulator's own; `null`: it exists, and the router does not serve it
 * @param settings further variables of the router
 */
export async function startRunbookWorld(
  name: string,
  environments: Record<string, object | null>,
  settings: (dir: string) => Record<string, string> = () => ({}),
): Promise<RunbookWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'runbook-world-'));
  const runbook = await openRunbook();
  const ids: Record<string, string> = {};
  const keys: Record<string, string> = {};
  const temporalOnly = {
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    ROUTER_DEPLOYMENT: `runbook-${name}-${process.pid}`,
  };
  const world = await startTestWorld({
    temporal: { address: temporalOnly.TEMPORAL_ADDRESS },
    deployment: temporalOnly.ROUTER_DEPLOYMENT,
    graceSeconds: 1,
    settings: async ({ anthropic }, admin) => {
      const client = new Anthropic({ apiKey: anthropic.apiKey, baseURL: anthropic.url });
      const list = [{ id: anthropic.environmentId, key: '${env:ANTHROPIC_ENVIRONMENT_KEY}' }];
      const variables: Record<string, string> = {};
      for (const [each, more] of Object.entries(environments)) {
        const { id } = await client.beta.environments.create({ name: each, config: { type: 'self_hosted' } });
        const { key } = (await admin('anthropic', 'POST', `environments/${id}/keys`)) as { key: string };
        ids[each] = id;
        keys[each] = key;
        const variable = `KEY_OF_${each.toUpperCase()}`;
        variables[variable] = key;
        if (more) list.push({ id, key: `\${env:${variable}}`, ...more });
      }
      const file = join(dir, 'managed-agents-router.json');
      await writeFile(file, JSON.stringify({ environments: list }));
      return { ROUTER_CONFIG_FILE: file, ANTHROPIC_ENVIRONMENT_ID: '', ...variables, ...settings(dir) };
    },
  });
  const opened: RunbookWorld = Object.assign(Object.create(world) as RunbookWorld, {
    dir,
    temporalOnly,
    environments: ids,
    keys,
    entry: (anchor: string, variables = {}) => runbook.expectEntry(anchor, { ...temporalOnly, ...variables }),
    fault: async (of: 'anthropic' | 'e2b', rule: object) => {
      await world.admin(of, 'POST', 'faults', rule);
    },
    open: async (text: string, environment?: string) => {
      const id = await openSession(world, environment);
      await sendMessage(world.anthropic, id, text);
      return id;
    },
    running: (id: string) =>
      until(
        `a call of ${id} runs`,
        async () => {
          const status = await statusOf(world, id).catch(() => null);
          const call = status?.openCalls.find(({ state }) => state === 'running');
          if (!status?.sandboxId || !call) return false;
          return { sandboxId: status.sandboxId, callId: call.id, workId: status.workId ?? '' };
        },
        90_000,
      ),
    close: async () => {
      await world.close();
      await runbook.close();
      await rm(dir, { recursive: true, force: true });
    },
  });
  return opened;
}
