/** Converts sandboxes into the objects of the control plane. */
import { statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { LIMITS } from './machines.ts';
import type { SandboxRecord } from './record.ts';
import type { LocalTemplate } from './templates.ts';

/** The version of envd that the agent simulates. */
const ENVD_VERSION = '0.6.13';
const MIB = 1024 * 1024;

/** The answer of create and connect. `domain` is the domain of the host names of its ports. */
export function sandboxView(record: SandboxRecord, template: LocalTemplate | undefined, domain: string) {
  return {
    sandboxID: record.id,
    templateID: template?.id ?? record.template,
    alias: record.template,
    clientID: 'local',
    envdVersion: ENVD_VERSION,
    ...(record.open ? {} : { envdAccessToken: record.envdAccessToken }),
    ...(record.allowPublicTraffic ? {} : { trafficAccessToken: record.trafficAccessToken }),
    domain,
  };
}

export function listedView(record: SandboxRecord, template: LocalTemplate | undefined) {
  return {
    sandboxID: record.id,
    templateID: template?.id ?? record.template,
    alias: record.template,
    clientID: 'local',
    state: shownState(record),
    startedAt: new Date(record.startedAt).toISOString(),
    endAt: new Date(record.endAt).toISOString(),
    ...sizeView(record.dir),
    metadata: record.metadata,
    volumeMounts: [],
  };
}

export function detailView(record: SandboxRecord, template: LocalTemplate | undefined, domain: string) {
  return {
    ...listedView(record, template),
    domain,
    ...(record.open ? {} : { envdAccessToken: record.envdAccessToken }),
    allowInternetAccess: record.allowInternetAccess,
    lifecycle: { onTimeout: record.onTimeout, autoResume: record.autoResume },
    ...(record.network ? { network: record.network } : {}),
  };
}

/** Fields about the size of a sandbox or template whose disk is in `dir`. */
export function sizeView(dir: string) {
  return {
    envdVersion: ENVD_VERSION,
    cpuCount: availableParallelism(),
    memoryMB: LIMITS.memoryBytes / MIB,
    diskSizeMB: diskSizeMb(dir),
  };
}

/** A sandbox that is being paused counts as paused. */
export function shownState({ state }: SandboxRecord): 'running' | 'paused' {
  return state === 'running' ? 'running' : 'paused';
}

function diskSizeMb(dir: string): number {
  const { blocks, bsize } = statfsSync(dir);
  return Math.floor((blocks * bsize) / MIB);
}
