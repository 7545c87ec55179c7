/** Starts an E2B simulator with a new state folder, with the unmodified SDK bound to it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { E2B, type Sandbox } from 'e2b';
import { type E2BOptions, type RunningE2B, startE2B } from '../e2b/server.ts';

export interface E2BSimulator extends RunningE2B {
  stateDir: string;
  /** The SDK's class, bound to this simulator, without retries by default. */
  Sandbox: typeof Sandbox;
  /** Calls the admin interface; throws unless it answers 2xx. */
  admin(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Kills all sandboxes and removes the folder. */
  end(): Promise<void>;
}

export async function startE2BSimulator(options: Partial<E2BOptions> = {}): Promise<E2BSimulator> {
  const stateDir = options.stateDir ?? (await mkdtemp(join(tmpdir(), 'e2b-')));
  const running = await startE2B({ ...options, stateDir });
  return {
    ...running,
    stateDir,
    ...bound(running),
    end: async () => {
      await running.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** Clients of a simulator in this or another process. */
export function bound({ url, apiKey, adminToken }: Pick<RunningE2B, 'url' | 'apiKey' | 'adminToken'>) {
  return {
    Sandbox: new E2B({ apiKey, apiUrl: url, sandboxUrl: url, retries: 0 }).Sandbox as typeof Sandbox,
    admin: async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const answer = await fetch(`${url}/_admin${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      return answer.json();
    },
  };
}
