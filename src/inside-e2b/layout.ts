// Where things are inside the sandbox of a router. `deploy e2b` puts them there.
import { join } from 'node:path';

/** Value of `managed_by`. Another one than that of tool sandboxes, which the router itself looks for and kills. */
export const ROUTER_MARK = 'managed-agents-router-inside-e2b';

/** Folder of the router in its sandbox. */
export const HOME_FOLDER = '/opt/managed-agents-router';

/**
 * The admin servers listen here. E2B makes every port of 127.0.0.1, `localhost` and `::1` public, by the sandbox's host name; it
 * does not do so for other addresses of the loopback interface.
 */
export const PRIVATE_HOST = '127.0.0.2';
export const WEBHOOK_PORT = 8000;
/** Temporal cannot listen on another address. Its ports speak gRPC, which E2B's proxy does not carry into a sandbox. */
const TEMPORAL_PORT = 7233;

export interface Ports {
  webhook: number;
  temporal: number;
}

export interface Layout {
  ports: Ports;
  /** Keys and settings, a file each. */
  config: string;
  /** Temporal's database, the logs and the state. */
  data: string;
  /** Link to the version that runs: the npm package with its dependencies, and Temporal's program. */
  current: string;
  /** What the supervisor last found, as JSON. */
  state: string;
  logs: { supervisor: string; webhook: string; worker: string };
  signingKeys: string;
  configFile: string;
}

export const PORTS: Ports = { webhook: WEBHOOK_PORT, temporal: TEMPORAL_PORT };

export function layoutIn(folder: string, ports = PORTS): Layout {
  const config = join(folder, 'config');
  const data = join(folder, 'data');
  return {
    ports,
    config,
    data,
    current: join(folder, 'current'),
    state: join(data, 'state.json'),
    logs: {
      supervisor: join(data, 'supervisor.log'),
      webhook: join(data, 'webhook.log'),
      worker: join(data, 'worker.log'),
    },
    signingKeys: join(config, 'anthropic-webhook-signing-key'),
    configFile: join(config, 'managed-agents-router.yaml'),
  };
}
