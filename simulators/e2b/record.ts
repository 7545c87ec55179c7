/** The stored record of a sandbox: plain JSON, times in milliseconds of the simulator's clock. */
import type { Box } from './isolation/box.ts';
import type { SandboxGroups } from './isolation/cgroups.ts';

export interface SandboxRecord {
  id: string;
  /** Name of the template. */
  template: string;
  /** Build of the template below the sandbox's disk. */
  buildId: string;
  metadata: Record<string, string>;
  env: Record<string, string>;
  /** Time-out at creation. */
  timeoutMs: number;
  onTimeout: 'kill' | 'pause';
  /** Whether a pause on time-out keeps the memory. */
  keepMemory: boolean;
  autoResume: boolean;
  allowPublicTraffic: boolean;
  allowInternetAccess: boolean | null;
  network: Record<string, unknown> | null;
  envdAccessToken: string;
  /** Whether envd accepts requests without that token: sandboxes of the older API created without `secure`. */
  open: boolean;
  trafficAccessToken: string;
  /** Whether it belongs to a build and appears in no list. */
  hidden?: boolean;
  /** Clients see `pausing` as paused, and never see `starting` or `killing`. */
  state: 'starting' | 'running' | 'pausing' | 'paused' | 'killing';
  startedAt: number;
  endAt: number;
  dir: string;
  groups: SandboxGroups;
  /** Absent before the boot, and while paused without memory. */
  box?: Box;
}

/** New egress rules; absent ones are cleared. */
export interface EgressUpdate {
  allowInternetAccess: boolean | null;
  denyOut: string[] | undefined;
}

/** Whether all egress is denied; clients have two ways to request this. */
export function isCutOff({ allowInternetAccess, network }: SandboxRecord): boolean {
  const denied = network?.denyOut;
  return allowInternetAccess === false || (Array.isArray(denied) && denied.includes('0.0.0.0/0'));
}

/** The parameters of `create`. */
export type NewSandbox = Pick<
  SandboxRecord,
  | 'template'
  | 'buildId'
  | 'metadata'
  | 'env'
  | 'timeoutMs'
  | 'onTimeout'
  | 'keepMemory'
  | 'autoResume'
  | 'allowPublicTraffic'
  | 'allowInternetAccess'
  | 'network'
  | 'hidden'
  | 'open'
>;
