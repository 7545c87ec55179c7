// Runs the simulators of Managed Agents and E2B in one process, or each in a process of its own to be killed alone.
import { join } from 'node:path';
import { projectPath } from '../src/paths.ts';
import { writeLocalTemplate } from '../template/manifest.ts';
import { type Child, startChild } from './child.ts';
import { freePort } from './free-port.ts';

export type SimulatorName = 'anthropic' | 'e2b';

/** The JSON line that the simulators print when they are ready. */
export interface Simulators {
  anthropic: {
    url: string;
    apiKey: string;
    environmentId: string;
    environmentKey: string;
    agentId: string;
    webhookSigningKey: string;
  };
  e2b: { url: string; apiKey: string };
  adminToken: string;
}

export interface SimulatorOptions {
  stateDir: string;
  logDir: string;
  cwd: string;
  /** URL of the predefined webhook endpoint; default: there is none. */
  webhook?: string;
  /** Switches, `name=value`. */
  switches?: string[];
  /** Each simulator in a process of its own. */
  separate?: boolean;
  /** Further variables of the simulators' processes. */
  env?: Record<string, string>;
}

/** A request to the admin interface of a simulator, such as `POST faults`. */
export type Admin = (of: SimulatorName, method: string, path: string, body?: unknown) => Promise<unknown>;

export interface RunningSimulators {
  connection: Simulators;
  admin: Admin;
  /** Kills one simulator (or all) with SIGKILL and starts it again with the same state and port. */
  restart(of?: SimulatorName): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = projectPath('simulators/main.ts');

export async function startSimulators(options: SimulatorOptions): Promise<RunningSimulators> {
  const { stateDir, logDir, cwd, webhook, switches = [], separate = false, env = {} } = options;
  const template = await writeLocalTemplate(join(stateDir, 'template'), projectPath('bundles/toolhost.mjs'));
  const args = [PROGRAM, '--state', join(stateDir, 'simulators')];
  if (webhook) args.push('--webhook', webhook);
  args.push('--template', template);
  args.push('--anthropic-port', String(await freePort()), '--e2b-port', String(await freePort()));
  for (const one of switches) args.push('--set', one);

  const parts: (SimulatorName | 'both')[] = separate ? ['anthropic', 'e2b'] : ['both'];
  const running = new Map<SimulatorName | 'both', Child>();
  const start = async (part: SimulatorName | 'both') => {
    const name = part === 'both' ? 'simulators' : `simulator-${part}`;
    const child = await startChild(name, part === 'both' ? args : [...args, '--only', part], {
      env,
      cwd,
      logFile: join(logDir, `${name}.log`),
    });
    running.set(part, child);
    return JSON.parse(child.firstLine) as Partial<Simulators> & { adminToken: string };
  };
  const stop = async () => {
    for (const child of [...running.values()].reverse()) await child.stop();
  };
  try {
    const lines: (Partial<Simulators> & { adminToken: string })[] = [];
    for (const part of parts) lines.push(await start(part));
    const connection = Object.assign({}, ...lines) as Simulators;
    const tokenOf = (of: SimulatorName) =>
      lines.find((line) => line[of])?.adminToken ?? connection.adminToken;
    return {
      connection,
      admin: (of, method, path, body) => callAdmin(connection[of].url, tokenOf(of), method, path, body),
      restart: async (of) => {
        for (const part of parts) {
          if (of && part !== of && part !== 'both') continue;
          await running.get(part)?.kill();
          await start(part);
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function callAdmin(
  origin: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`${origin}/_admin/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
