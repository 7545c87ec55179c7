/** A sandbox as the simulator remembers it: plain JSON, times in milliseconds of the simulator's clock. */
import type { Box } from './isolation/box.ts';
import type { SandboxGroups } from './isolation/cgroups.ts';

export interface SandboxRecord {
  id: string;
  /** Name of the template. */
  template: string;
  /** Of the template's build that its disk lies over. */
  buildId: string;
  metadata: Record<string, string>;
  env: Record<string, string>;
  /** Time-out given at creation. */
  timeoutMs: number;
  onTimeout: 'kill' | 'pause';
  /** Whether a pause on time-out keeps the memory. */
  keepMemory: boolean;
  autoResume: boolean;
  allowPublicTraffic: boolean;
  allowInternetAccess: boolean | null;
  network: Record<string, unknown> | null;
  envdAccessToken: string;
  /** Whether envd takes requests without that token: made so by the older API, unless it was told `secure`. */
  open: boolean;
  trafficAccessToken: string;
  /** Clients see `pausing` as paused, and never `starting` or `killing`. */
  /** Of a build: no list shows it. */
  hidden?: boolean;
  state: 'starting' | 'running' | 'pausing' | 'paused' | 'killing';
  startedAt: number;
  endAt: number;
  dir: string;
  groups: SandboxGroups;
  /** Absent before the boot, and while paused without memory. */
  box?: Box;
}

/** Replaces what a sandbox may reach; what is absent is cleared. */
export interface EgressUpdate {
  allowInternetAccess: boolean | null;
  denyOut: string[] | undefined;
}

/** Whether a sandbox may reach nothing outside, by either of the two ways to say so. */
export function isCutOff({ allowInternetAccess, network }: SandboxRecord): boolean {
  const denied = network?.denyOut;
  return allowInternetAccess === false || (Array.isArray(denied) && denied.includes('0.0.0.0/0'));
}

/** What `create` needs to know; see the fields of the same names above. */
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
