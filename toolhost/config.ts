// The toolhost's settings, from TOOLHOST_* variables. Imports constants alone, so that the template can share the defaults.
import { TOOLHOST_PORT } from './protocol.ts';

export const DEFAULTS = {
  port: TOOLHOST_PORT,
  workdir: '/mnt/session',
  state: '/var/lib/toolhost',
  log: '/var/log/toolhost/worker.log',
} as const;

export interface ToolhostConfig {
  host: string;
  /** 0: any free port; the line printed at the start names it. */
  port: number;
  /** Directory in which the tools work and to which the file tools are confined. */
  workdir: string;
  /** Directory of the journal. */
  state: string;
  /** File of the log. */
  log: string;
}

/** Reads the settings; throws an Error that names the variable to change. */
export function readConfig(env: Record<string, string | undefined>): ToolhostConfig {
  return {
    // A sandbox's ports are reached from outside through E2B's proxy, whose documented target is 0.0.0.0; the
    // sandbox is a machine of its own, and the proxy asks for the traffic token.
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
