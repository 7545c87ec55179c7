/**
 * The switches of this simulator, one for each point where the behaviour of the API is unknown or varies.
 * `docs/switches.md` describes each value and the source of its default.
 */
import type { SwitchDefinition } from '../common/switches.ts';

export const SWITCHES = {
  'tool-rounds': { default: 'idle', values: ['idle', 'running'] },
  'reoffer-id': { default: 'same', values: ['same', 'new'] },
  'ack-twice': { default: '200', values: ['200', '409', '404'] },
  'unacked-heartbeat': { default: 'starts', values: ['starts', '412'] },
  'starting-reoffer': { default: 'never', values: ['never', '30s', 'ttl'] },
  'work-item-at': { default: 'creation', values: ['creation', 'message', 'tool'] },
  'stopped-heartbeat': { default: '200', values: ['200', '412'] },
  'precondition-details': { default: 'on', values: ['on', 'off'] },
  'late-heartbeat': { default: '412', values: ['412', 'stopped'] },
  'lapse-noticed': { default: 'at-once', values: ['at-once', 'next-poll'] },
  'lease-ttl-seconds': { default: '300', values: 'integer' },
  'desired-ttl': { default: 'honoured', values: ['honoured', 'ignored'] },
  'stop-with-open-calls': { default: 'stuck', values: ['stuck', 'requeue'] },
  'graceful-stop-unstarted': { default: 'stopping', values: ['stopping', 'stopped'] },
  'stopping-unconfirmed': { default: 'stopped-after-ttl', values: ['stopped-after-ttl', 'stays'] },
  'message-in-requires-action': { default: 'refuse', values: ['refuse', 'accept'] },
  interrupt: { default: 'requeue', values: ['requeue', 'server-closes'] },
  'run-calls-at-interrupt': { default: 'stay', values: ['stay', 'close'] },
  'confirmation-key': { default: 'organization', values: ['organization', 'any'] },
  'result-text': { default: 'any', values: ['any', 'clean'] },
  'archived-result': { default: '409', values: ['400', '404', '409'] },
  'archived-status': { default: 'terminated', values: ['terminated', 'idle'] },
  'missing-beta-header': { default: '404', values: ['404', 'accept'] },
  'body-cap': { default: '32MB', values: ['32MB', '4MiB'] },
  'thread-events': { default: 'off', values: ['off', 'on'] },
  'parallel-calls': { default: 'on', values: ['on', 'off'] },
  'work-secret': { default: 'on', values: ['on', 'off'] },
  'undocumented-webhooks': { default: 'off', values: ['off', 'on'] },
  'rate-limits': { default: 'off', values: ['off', 'enforced'] },
  'sessions-token-seconds': { default: '86400', values: 'integer' },
  'model-delay-ms': { default: '50', values: 'integer' },
  'stream-ping-seconds': { default: '15', values: 'integer' },
  'webhook-timeout-seconds': { default: '10', values: 'integer' },
} as const satisfies Record<string, SwitchDefinition>;

export type SwitchName = keyof typeof SWITCHES;
