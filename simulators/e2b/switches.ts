/** The switches of this simulator; `docs/switches.md` describes each value. */
import type { SwitchDefinition } from '../common/switches.ts';

export const SWITCHES = {
  'concurrent-sandboxes': { default: '0', values: 'integer' },
  'longest-run-seconds': { default: '86400', values: 'integer' },
  'create-delay-ms': { default: '0', values: 'integer' },
  'pause-delay-ms': { default: '0', values: 'integer' },
  'resume-delay-ms': { default: '0', values: 'integer' },
  resume: { default: 'memory', values: ['memory', 'reboot'] },
  'pause-snapshots': { default: 'as-needed', values: ['as-needed', 'always', 'never'] },
  'removed-disks': { default: 'dropped', values: ['dropped', 'kept'] },
  'list-page-size': { default: '100', values: 'integer' },
  'template-images': { default: 'base', values: ['base', 'refuse'] },
  'template-packages': { default: 'refuse', values: ['refuse', 'skip'] },
} as const satisfies Record<string, SwitchDefinition>;

export type SwitchName = keyof typeof SWITCHES;
