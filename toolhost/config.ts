// Reads the toolhost's settings from TOOLHOST_* variables. It imports only constants, because the template uses DEFAULTS.
import { TOOLHOST_PORT } from './protocol.ts';

export const DEFAULTS = {
  port: TOOLHOST_PORT,
  workdir: '/mnt/session',
  state: '/var/lib/toolhost',
  log: '/var/log/toolhost/worker.log',
} as const;

export interface ToolhostConfig {
  host: string;
  /** 0 = any free port; the toolhost prints the port when it has started. */
  port: number;
  /** Directory in which the tools work; the file tools reach nothing outside it except memory folders. */
  workdir: string;
  /** Directory of the journal, the shells' states and the records of memory folders. */
  state: string;
  /** Path of the log file. */
  log: string;
}

/** Reads the settings. @throws Error that names the variable to change */
export function readConfig(env: Record<string, string | undefined>): ToolhostConfig {
  return {
    // All interfaces, because E2B's proxy connects from outside the sandbox. The sandbox is a machine of its own, and
    // the proxy demands the traffic token.
    host: env.TOOLHOST_HOST || '0.0.0.0',
    port: readPort(env.TOOLHOST_PORT),
    workdir: absolute('TOOLHOST_WORKDIR', env.TOOLHOST_WORKDIR || DEFAULTS.workdir),
    state: absolute('TOOLHOST_STATE', env.TOOLHOST_STATE || DEFAULTS.state),
    log: absolute('TOOLHOST_LOG', env.TOOLHOST_LOG || DEFAULTS.log),
  };
}

function readPort(value: string | undefined): number {
  if (!value) return DEFAULTS.port;
  const port = Number(value);
  if (!/^\d+$/.test(value) || port > 65_535)
    throw new Error(`TOOLHOST_PORT must be a port number, for example ${DEFAULTS.port}, not "${value}"`);
  return port;
}

function absolute(name: string, path: string): string {
  if (!path.startsWith('/')) throw new Error(`${name} must be an absolute path, not "${path}"`);
  return path;
}
