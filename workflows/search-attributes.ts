// The search attributes by which people find workflows. docs/finding-sessions.md has the queries. Names and types are API:
// a Temporal server never lets the type of a registered name change.
import { defineSearchAttributeKey } from '@temporalio/common';

/** What a session does now, in fixed words. */
export const PHASES = [
  'waking',
  'working',
  'waiting',
  'waiting for approval',
  'waiting for a sandbox',
  'idle',
  'paused',
  'paused by a person',
  'ended',
] as const;
export type Phase = (typeof PHASES)[number];

/** One of `PHASES`; a closed run keeps its last one. */
export const SessionPhaseAttribute = defineSearchAttributeKey('SessionPhase', 'KEYWORD');
/** Causes for which a session needs a person, fixed words of attention.ts; unset while there is none. */
export const SessionAttentionAttribute = defineSearchAttributeKey('SessionAttention', 'KEYWORD_LIST');
export const SandboxIdAttribute = defineSearchAttributeKey('SandboxId', 'KEYWORD');
/** Of every workflow that belongs to one environment. */
export const EnvironmentIdAttribute = defineSearchAttributeKey('EnvironmentId', 'KEYWORD');
/** The agent of the session; unset until the session has been read. */
export const AgentIdAttribute = defineSearchAttributeKey('AgentId', 'KEYWORD');

/** All of them. SQL visibility stores at most 10 of type Keyword and 3 of type KeywordList. */
export const SEARCH_ATTRIBUTES = [
  SessionPhaseAttribute,
  SessionAttentionAttribute,
  SandboxIdAttribute,
  EnvironmentIdAttribute,
  AgentIdAttribute,
];

/** For the start of a workflow that belongs to one environment; empty where the server does not know the attributes. */
export function inEnvironment(environmentId: string, searchAttributes: boolean) {
  if (!searchAttributes || !environmentId) return {};
  return { typedSearchAttributes: [{ key: EnvironmentIdAttribute, value: environmentId }] };
}
